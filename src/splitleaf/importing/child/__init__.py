"""What runs in the import environment: inspection and conversion, apart from everything else.

Imports nothing of Splitleaf but its own modules: the interpreter that runs it has Keras and TensorFlow, not
Splitleaf. `bootstrap.py` is the script that is started.
"""
