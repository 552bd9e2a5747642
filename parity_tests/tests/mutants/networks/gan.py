"""A generator and a discriminator, with the losses of both."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Generator(nn.Module):
    def __init__(self, latent, width):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(latent, 2 * width, 4, 1, 0, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(True),
            nn.ConvTranspose2d(2 * width, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 4, 2, 1, bias=False)
        self.conv2 = nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)
        self.norm = nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = nn.Conv2d(2 * width, 1, 2, 1, 0, bias=False)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.norm(self.conv2(x)), 0.2)
        return self.conv3(x).view(-1)


class GAN(nn.Module):
    def __init__(self, latent=4, width=3):
        super().__init__()
        self.generator = Generator(latent, width)
        self.discriminator = Discriminator(width)

    def forward(self, z, real):
        fake = self.generator(z)
        on_real = self.discriminator(real)
        on_fake = self.discriminator(fake.detach())
        loss_d = F.binary_cross_entropy_with_logits(on_real, torch.ones_like(on_real))
        loss_d = loss_d + F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
        fooled = self.discriminator(fake)
        loss_g = F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled))
        return fake, loss_d, loss_g


def build():
    return GAN()


def inputs(rng: np.random.Generator):
    return (rng.normal(size=(3, 4, 1, 1)).astype(np.float32), rng.normal(size=(3, 1, 8, 8)).astype(np.float32))
