"""The ablation: its rows as data, the batch that trains them, and what notebooks read of the outcome."""
