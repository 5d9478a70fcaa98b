"""The dev loop: what watches the files, decides which open pages a change concerns, and tells them."""
