"""fastfile inside other Python programs: what the public modules asgi, wsgi, django and pytest_plugin share."""
