"""Judge messages of any action: envelope, schema, ids, answers, order, date-times."""
