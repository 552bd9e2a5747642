"""Recurrent layers and cells."""

from scratch.nn.rnn.gru import GRU, GRUCell
from scratch.nn.rnn.lstm import LSTM, LSTMCell
from scratch.nn.rnn.rnn import RNN, RNNCell
from scratch.nn.rnn.rnn_base import RNNBase
from scratch.nn.rnn.rnn_cell_base import RNNCellBase

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]
