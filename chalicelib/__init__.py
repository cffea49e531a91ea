"""The User Management API behind `app.py`: rules, storage and HTTP conventions."""
