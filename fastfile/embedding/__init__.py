"""fastfile inside other Python programs: common code of the public modules asgi, wsgi, django and pytest_plugin."""
