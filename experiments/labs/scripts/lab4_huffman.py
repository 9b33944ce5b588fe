# %% [markdown]
# # Lab 4: Huffman coding, and the decoder that pays for it
#
# **Question.** Labels are not equally frequent, so frequent ones deserve shorter codes. Do fewer bits mean
# fewer joules?
#
# **Goals.** You build a Huffman code; see when a decoder limits a chip.
#
# **Time.** 45 minutes. **Points.** 5. **Before.** Lab 3.

# %% [markdown]
# ## By hand: five symbols

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

# %%
import matplotlib.pyplot as plt
import numpy as np

from compress.codecs import huffman
from compress.methods.prune import layer_masks, weights_of
from compress.methods.share import share
from experiments.figures import style
from experiments.labs.answers import COUNTS
from experiments.labs.kit import check, trained
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network
from hwsim.run import simulate

print("five symbols occur so often:", COUNTS)

# %% [markdown]
# **Exercise 4.1.** Build a Huffman code on paper. What is its mean length, in bits per symbol? (A fixed width
# takes 3.)

# %% tags=["answer"]
mean_bits = None

# %% tags=["solution"]
mean_bits = (8 * 1 + 4 * 2 + 2 * 3 + 1 * 4 + 1 * 4) / 16

# %%
check("4.1", mean_bits)
print("the library's code has lengths", huffman.build(COUNTS).lengths)

# %% [markdown]
# The algorithm as you did it on paper is a page of Python, to which tests hold the fast coder:
# `tests/compress/codecs/test_textbook_huffman.py`.
#
# Here the code meets the entropy, because all frequencies are powers of two. Now the labels of a real layer,
# pruned to a tenth and shared by 15 values:

# %%
network = trained()
name = weights_of(network)["fc1"]
weight = network.params[name]
mask = layer_masks({name: weight}, {name: 0.1})[name]
labels = share(np.where(mask, weight, 0).astype(np.float32), 15).labels
counts = np.bincount(labels[labels > 0] - 1, minlength=15)
code = huffman.build(counts)
frequency = counts / counts.sum()
entropy = -(frequency * np.log2(frequency)).sum()
coded = huffman.encoded_bits(code, counts) / counts.sum()
print(f"bits per label: entropy {entropy:.3f}, Huffman {coded:.3f}, fixed width 4")

with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 2.6), layout="constrained")
    axes.bar(range(1, 16), frequency, color=style.SERIES[0])
    for label, (part, length) in enumerate(zip(frequency, code.lengths, strict=True), start=1):
        axes.annotate(f"{length}", (label, part), (0, 2), textcoords="offset points", ha="center", size=7.5)
    axes.set_xlabel("label, from the most negative value to the most positive")
    axes.set_ylabel("frequency")
    axes.set_title("Labels of fc1, and the length of their codes in bits")
    plt.show()

# %% [markdown]
# ## Predict
#
# On the edge chip, the coded LeNet-300-100 is smaller than the shared one. Is an inference cheaper? Is it
# faster?

# %%
my_guess = "cheaper and faster"  # yours

# %% [markdown]
# ## Run

# %%
chip = load_chip("edge")
reports = {stage: simulate(chip, load_network("lenet300", stage)) for stage in ("shared", "huffman")}
for stage, report in reports.items():
    print(
        f"{stage:<8} {report.workload.weight_bits / 8:>8,.0f} B, live {report.weights_home}, "
        f"{1e6 * report.energy_per_inference_J:.2f} µJ, {report.inferences_per_s:,.0f} inferences/s, "
        f"limited by {report.limiter}"
    )

# %% [markdown]
# **Exercise 4.2.** How many times fewer bits does Huffman coding take than sharing alone?

# %% tags=["answer"]
fewer_bits = None

# %% tags=["solution"]
fewer_bits = reports["shared"].workload.weight_bits / reports["huffman"].workload.weight_bits

# %%
check("4.2", fewer_bits)

# %% [markdown]
# ## The surprise
#
# Smaller, but neither cheaper nor faster (you guessed: cheaper, faster, both?). Both networks live on chip
# already; what is saved is a few reads of SRAM, and every symbol costs a look-up in the decoder's table.
#
# **Exercise 4.3.** What limits the coded network? (One word, as the report says it.)

# %% tags=["answer"]
limited_by = None

# %% tags=["solution"]
limited_by = reports["huffman"].limiter

# %%
check("4.3", limited_by)

# %% [markdown]
# A decoder resolves one symbol a cycle, since it has to know where one code ends to find the next. The arrays
# wait.
#
# **Exercise 4.4.** How many decoders does the chip need until they are not the limit any more?
# (`chip.replace` changes a key of a chip and gives a new one.)

# %%
chip.replace(**{"decoder.count": 4}).decoder

# %% tags=["answer"]
decoders = None

# %% tags=["solution"]
decoders = 1
while (
    simulate(chip.replace(**{"decoder.count": decoders}), load_network("lenet300", "huffman")).limiter
    == "decoder"
):
    decoders += 1

# %%
check("4.4", decoders)

# %% [markdown]
# **Exercise 4.5, to write.** Write `code_lengths(counts)`: the length in bits of each symbol's code in a
# Huffman code. `heapq` is at hand.

# %% tags=["answer"]
code_lengths = None

# %% tags=["solution"]
import heapq


def code_lengths(counts):
    """Merge the two rarest groups until one is left; each merge adds a bit."""
    groups = [(count, [symbol]) for symbol, count in enumerate(counts)]
    heapq.heapify(groups)
    lengths = [0] * len(counts)
    while len(groups) > 1:
        (few, first), (many, second) = heapq.heappop(groups), heapq.heappop(groups)
        for symbol in first + second:
            lengths[symbol] += 1
        heapq.heappush(groups, (few + many, first + second))
    return lengths


# %%
check("4.5", code_lengths)

# %% [markdown]
# **To think about.** When does the last fifth of the bytes matter? (Think of a network that fits on chip only
# when it is coded, of one that is downloaded over LTE, and of lab 5.) `hwsim experiments run rent` shows
# where coding pays.
