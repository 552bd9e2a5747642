"""One network, one configuration, two engines: training, recording, resuming and plotting."""
