"""The paper's numbers, typed from it a second time: what the project holds is compared with them.

Written as they are printed. Nothing here is read from the project's own tables.
"""

# Name: section, figures, layers, activation, learning rate, batch size, L1, L2, epochs at most,
# patience (0: no early stopping), test loss, test accuracy in per cent. "" is printed nowhere.
EXPERIMENTS = {
    "baseline_100_epochs": "2.2a|1-2|784-128-10|tanh|0.0005|128|0|0|100|0||",
    "baseline": "2.2b|3-4|784-128-10|tanh|0.0005|128|0|0|100|5|0.064|84.47",
    "learning_rate_0.005": "2.2a||784-128-10|tanh|0.005|128|0|0|100|0||",
    "learning_rate_0.5": "2.2a||784-128-10|tanh|0.5|128|0|0|100|0||",
    "l2_0.2": "3.1a|5-6|784-128-10|tanh|0.0005|128|0|0.2|100|5|0.0466|86.26",
    "l2_0.2_25_epochs": "3.1a||784-128-10|tanh|0.0005|128|0|0.2|25|0||",
    "starter": "3.1a||784-128-10|tanh|0.005|128|0|0.0001|100|0||84.01",
    "l2_1e-3": "3.1b|7-8|784-128-10|tanh|0.0005|128|0|0.001|100|5|0.0808|84.91",
    "l2_0.5": "3.1b||784-128-10|tanh|0.0005|128|0|0.5|100|5||",
    "l1_1e-6": "3.2a|9-10|784-128-10|tanh|0.0005|128|0.000001|0|100|5|0.0586|84.24",
    "l1_1e-6_25_epochs": "3.2a||784-128-10|tanh|0.0005|128|0.000001|0|25|0||",
    "l1_1.25e-4": "3.2a||784-128-10|tanh|0.0005|128|0.000125|0|100|5||",
    "l1_1e-3": "3.2b|11-12|784-128-10|tanh|0.0005|128|0.001|0|100|5|0.0651|84.21",
    "l1_0.2": "3.2b||784-128-10|tanh|0.0005|128|0.2|0|100|5||",
    "sigmoid": "4.1|13-14|784-128-10|sigmoid|0.0005|128|0|0|100|5|0.0573|83.05",
    "relu": "4.2|15-16|784-128-10|ReLU|0.0005|128|0|0|100|5|0.0618|86.42",
    "hidden_256": "5.1a|17-18|784-256-10|tanh|0.0005|128|0|0|100|5|0.0557|85.89",
    "hidden_256_25_epochs": "5.1a||784-256-10|tanh|0.0005|128|0|0|25|0||",
    "hidden_64": "5.1b|19-20|784-64-10|tanh|0.0005|128|0|0|100|5|0.0693|82.74",
    "two_hidden_layers": "5.2|21-22|784-64-64-10|tanh|0.0005|128|0|0|100|5|0.0698|83.07",
    "final": "6||784-256-256-10|ReLU|0.0005|129|0|0.2|100|30||89",
}
ACCURACIES = {name: row.split("|")[11] for name, row in EXPERIMENTS.items()}
LOSSES = {name: row.split("|")[10] for name, row in EXPERIMENTS.items()}

# The dictionary of section 6
FINAL = {
    "layer_specs": [784, 256, 256, 10],
    "batch_size": 129,
    "early_stop": True,
    "early_stop_epoch": 30,
    "activation": "ReLU",
    "learning_rate": 0.0005,
    "epochs": 100,
    "L2_penalty": 0.2,
    "momentum": True,
    "momentum_gamma": 0.9,
}

# Tables 1 to 3: the first, the sixth and the last pattern
GRADIENTS = {
    ("1", "first"): """
        output bias | 0 | 0.000353 | 0.000357 | 4.041e-06
        hidden bias | 0 | 0.000135 | 0.000144 | 9.027e-06
        input to hidden | 0,2 | 3.165e-05 | 3.176e-05 | 1.077e-07
        input to hidden | 4,5 | 0.0001069 | 0.0001064 | 4.792e-07
        hidden to output | 0,2 | 0.000263 | 0.000255 | 7.571e-05
        hidden to output | 4,5 | 0.000538 | 0.000533 | 5.233e-05""",
    ("2", "sixth"): """
        output bias | 0 | 0.00199 | 0.00208 | 9.404e-05
        hidden bias | 0 | 0.000543 | 0.000584 | 4.129e-05
        input to hidden | 0,2 | 3.323e-05 | 3.326e-05 | 2.592e-08
        input to hidden | 4,5 | 0.000796 | 0.000792 | 3.454e-06
        hidden to output | 0,2 | 0.00440 | 0.00434 | 5.235e-07
        hidden to output | 4,5 | 0.000329 | 0.000325 | 4.173e-05""",
    ("3", "last"): """
        output bias | 0 | 0.00110 | 0.00113 | 9.404e-05
        hidden bias | 0 | 0.000734 | 0.000715 | 1.902e-05
        input to hidden | 0,2 | 8.364e-06 | 8.365e-06 | 7.025e-10
        input to hidden | 4,5 | 2.575e-05 | 2.5829e-05 | 7.4688e-08
        hidden to output | 0,2 | 0.000201 | 0.000202 | 1.189e-06
        hidden to output | 4,5 | 0.000509 | 0.000505 | 4.233e-06""",
}

# Every claim in the order of the paper: section, quantity, experiment, the one that it is compared
# with, the claimed range (for printed numbers the limits of each one's rounding), and the numbers
# in the statement, in their order. A loss may also have been truncated. The numbers for the paper's
# words are the project's choice: no difference: within 0.5 points; much better: 1 point; no
# satisfying accuracy: 5 points lost; not converged: 5 % of the loss; driven to zero: half of the
# weights; about 25 epochs: 23 to 27.
CLAIMS = """
abstract | test_accuracy | baseline | linear | 0 inf |
abstract | test_accuracy | baseline | no_momentum | 0 inf |
abstract | test_accuracy | baseline | no_standardisation | 0 inf | 255
1 | gradient_difference | gradients | | -inf 0.0001 | 0.0001
2.2a | training_accuracy | baseline_100_epochs | learning_rate_0.005 | 0 inf | 0.0005 0.005
2.2a | validation_accuracy | baseline_100_epochs | learning_rate_0.005 | 0 inf | 0.0005 0.005
2.2a | validation_accuracy | learning_rate_0.5 | baseline_100_epochs | -inf -5 | 0.5 5 0.0005
2.2a | late_fluctuation | learning_rate_0.5 | | 0.05 inf | 0.5 5
2.2b | stopped_epoch | baseline | | 22.5 27.5 | 25 23 27
2.2b | test_loss | baseline | baseline_100_epochs | -inf 0 | 100
2.2b | test_accuracy | baseline | | 84.465 84.475 84.235 84.245 | 0.000001 84.47 84.24
2.2b | test_loss | baseline | | 0.0635 0.065 0.05855 0.0587 | 0.000001 0.064 0.0586
3.1a | test_accuracy | l2_0.2 | | 86.255 86.265 | 0.2 86.26
3.1a | test_loss | l2_0.2 | | 0.04655 0.0467 | 0.2 0.0466
3.1a | test_accuracy | starter | | 84.005 84.015 | 84.01
3.1a | test_accuracy | l2_0.2 | baseline | 0 inf | 0.2
3.1a | generalisation_gap | l2_0.2 | baseline | -inf 0 | 0.2
3.1a | test_accuracy | l1_1e-3 | baseline | 0 inf | 0.001
3.1b | test_accuracy | l2_1e-3 | | 84.905 84.915 | 0.001 84.91
3.1b | test_loss | l2_1e-3 | | 0.08075 0.0809 | 0.001 0.0808
3.1b | test_accuracy | l2_1e-3 | l2_0.2 | -inf 0 | 0.001 0.2
3.1b | test_accuracy | l2_1e-3 | baseline | -0.5 0.5 | 0.001 0.5
3.1b | test_accuracy | l2_0.5 | l2_0.2 | -inf 0 | 0.5 0.2
3.1b | test_accuracy | l2_0.5 | l2_1e-3 | -inf 0 | 0.5 0.001
3.1b | late_fluctuation | l2_0.5 | | 0.05 inf | 0.5 5
3.2a | test_accuracy | l1_1e-6 | l2_0.2 | -inf 0 | 0.000001 0.2
3.2a | small_weight_share | l1_1e-3 | baseline | 50 inf | 0.001
3.2a | small_weight_share | l1_0.2 | l2_0.2 | 50 inf | 0.2 0.2
3.2b | test_accuracy | l1_1e-3 | | 84.205 84.215 | 0.001 84.21
3.2b | test_loss | l1_1e-3 | | 0.06505 0.0652 | 0.001 0.0651
3.2b | test_accuracy | l1_1e-3 | l1_1e-6 | -0.5 0.5 | 0.001 0.5 0.000001
3.2b | late_fluctuation | l1_0.2 | | 0.05 inf | 0.2 5
3.2b | test_accuracy | l1_0.2 | baseline | -inf -5 | 0.2 5
4.1 | test_accuracy | sigmoid | | 83.045 83.055 | 83.05
4.1 | test_loss | sigmoid | | 0.05725 0.0574 | 0.0573
4.1 | test_accuracy | sigmoid | baseline | -inf 0 |
4.2 | test_accuracy | relu | | 86.415 86.425 | 86.42
4.2 | test_loss | relu | | 0.06175 0.0619 | 0.0618
4.3 | test_accuracy | baseline | | 83.5 84.5 | 84 83.5 84.5
4.3 | test_accuracy | relu | baseline | 1 inf | 1
4.3 | test_accuracy | relu | sigmoid | 1 inf | 1
5.1a | test_accuracy | hidden_256 | | 85.885 85.895 | 256 85.89
5.1a | test_loss | hidden_256 | | 0.05565 0.0558 | 256 0.0557
5.1a | test_accuracy | hidden_256 | baseline | 0 inf | 256 128
5.1a | training_accuracy | hidden_256 | baseline | 0 inf | 256
5.1b | test_accuracy | hidden_64 | | 82.735 82.745 | 64 82.74
5.1b | test_loss | hidden_64 | | 0.06925 0.0694 | 64 0.0693
5.1b | test_accuracy | hidden_64 | baseline | -inf 0 | 64 128
5.2 | test_accuracy | two_hidden_layers | | 83.065 83.075 | 64 83.07
5.2 | test_loss | two_hidden_layers | | 0.06975 0.0699 | 64 0.0698
5.2 | test_accuracy | two_hidden_layers | baseline | -inf 0 | 64 128
6 | test_accuracy | final | | 88.5 89.5 | 89
6 | test_accuracy | final | baseline | 1 inf | 1
"""
