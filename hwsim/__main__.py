"""``python -m hwsim``: the command line `hwsim`."""

from experiments.cli.main import hwsim

if __name__ == "__main__":
    hwsim()
