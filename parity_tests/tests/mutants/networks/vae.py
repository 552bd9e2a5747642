"""A variational autoencoder with convolutions."""

import numpy as np
import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, width, latent):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, kernel_size=4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1)
        self.act = nn.LeakyReLU(0.2)
        self.mu = nn.Linear(2 * width * 4, latent)
        self.logvar = nn.Linear(2 * width * 4, latent)

    def forward(self, x):
        h = self.act(self.conv1(x))
        h = self.act(self.conv2(h))
        h = h.flatten(start_dim=1)
        return self.mu(h), self.logvar(h)


class Decoder(nn.Module):
    def __init__(self, width, latent):
        super().__init__()
        self.width = width
        self.fc = nn.Linear(latent, 2 * width * 4)
        self.deconv1 = nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1)
        self.deconv2 = nn.ConvTranspose2d(width, 1, kernel_size=4, stride=2, padding=1)

    def forward(self, z):
        h = torch.relu(self.fc(z)).view(-1, 2 * self.width, 2, 2)
        h = torch.relu(self.deconv1(h))
        return torch.sigmoid(self.deconv2(h))


class VAE(nn.Module):
    def __init__(self, width=3, latent=3):
        super().__init__()
        self.encoder = Encoder(width, latent)
        self.decoder = Decoder(width, latent)

    def reparameterize(self, mu, logvar):
        if self.training:
            std = torch.exp(0.5 * logvar)
            eps = torch.randn_like(std)
            return mu + eps * std
        return mu

    def forward(self, x):
        mu, logvar = self.encoder(x)
        z = self.reparameterize(mu, logvar)
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
        return self.decoder(z), mu, logvar, kl.mean()


def build():
    return VAE()


def inputs(rng: np.random.Generator):
    return (rng.random((3, 1, 8, 8)).astype(np.float32),)
