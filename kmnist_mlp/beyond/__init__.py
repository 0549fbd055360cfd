"""Beyond the paper: from its baseline to the best multilayer perceptron that we found."""
