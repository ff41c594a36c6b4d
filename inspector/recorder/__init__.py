"""The one way in for records, wherever they come from: pair, judge, redact and store them."""
