"""Serverless Cloud Functions (SCF): every instance of a function is a process of its own."""
