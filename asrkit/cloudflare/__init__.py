"""What is known of Cloudflare Workers AI speech recognition, as data: models, schemas, error codes, prices.

The client (``asrkit.WorkersAI``) and the server (``asrkit serve``) read the same tables, so they cannot disagree.
"""
