"""The life of a job, from accepted to ended, on a ledger of plain objects."""
