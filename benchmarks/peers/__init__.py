"""What stands beside the product: the same small API as its peers would have it.

Each module has `handler(event, context)`, which answers an API Gateway event. None of them checks
who calls, answers problems of one shape or knows entity tags, as the product does.
"""
