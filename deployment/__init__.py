"""The ways to AWS: `chalice deploy`, a CloudFormation template, a Terraform directory.

Chalice makes the API, the functions and the policy; this package adds what Chalice has no words
for, the same for each way. `python -m deployment` is its entrance, the Makefile's targets its
users. It stands beside the application and is never packaged.
"""
