"""Losses looked at from outside: their landscape, basins, gradients and borders; smoothness on made-up surfaces."""
