"""Deployment to AWS: `chalice deploy`, a CloudFormation template, a Terraform directory.

Chalice generates the API, the functions and the policy. This package adds what Chalice cannot
express, the same for all three. The Makefile runs it as `python -m deployment`. It is never
packaged with the application.
"""
