"""Recurrent layers and cells."""

from scratch.nn.recurrent.gru import GRU, GRUCell
from scratch.nn.recurrent.lstm import LSTM, LSTMCell
from scratch.nn.recurrent.rnn import RNN, RNNCell
from scratch.nn.recurrent.rnn_base import RNNBase
from scratch.nn.recurrent.rnn_cell_base import RNNCellBase

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]
