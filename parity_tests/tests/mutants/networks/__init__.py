"""Small networks as people write them: a file each, with the classes, `build()` and `inputs(rng)`.

The classes of a file are what the rules change; `build` and `inputs` they leave alone. `numpy_objects` also has
`reference()`, the torch network that its NumPy objects are compared with; elsewhere the unchanged file is the
reference.
"""

NETWORKS = (
    "gpt",
    "bert",
    "llama",
    "vit",
    "resnet",
    "unet",
    "mobilenet",
    "lstm_language_model",
    "gru_translator",
    "vae",
    "gan",
    "tied_autoencoder",
    "mlp_mixer",
    "bag_classifier",
    "ctc_recognizer",
    "numpy_objects",
)
