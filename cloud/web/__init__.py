"""What people and programs see: the HTTP API, its event stream and the pages. `serve.run` starts all of it.

serve.py    the process: granian, the link to the broker, a clean end
asgi.py     the event stream on asyncio; everything else to Flask on threads
app.py      create_app: the Flask application
api/        one module per resource of the API, with its documentation
pages/      the operator's and the driver's pages
"""
