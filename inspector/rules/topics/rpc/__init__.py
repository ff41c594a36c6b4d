"""Rules about the envelope: shape, schema, ids, answers, order, timestamps."""
