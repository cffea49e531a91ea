"""The product's peers: the same small API, as others would build it.

Each module has `handler(event, context)` for API Gateway events. Unlike the product, the peers
authorize nobody, have no uniform problem details and no entity tags.
"""
