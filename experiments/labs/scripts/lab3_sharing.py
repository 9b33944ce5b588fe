# %% [markdown]
# # Lab 3: sharing and quantization
#
# **Question.** A weight takes 32 bits. How many does it need?
#
# Weights that are nearly equal can share one value. What is stored per weight is then a *label*, the number
# of its value in a small *codebook* (Han et al., Deep Compression, ICLR 2016, section 3).
#
# **Goals.** You share weights by k-means; count the bits of labels and codebook.
#
# **Time.** 45 minutes. **Points.** 5. **Before.** Lab 2.

# %% [markdown]
# ## By hand: a 4 x 4 matrix, four shared values

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

# %%
import matplotlib.pyplot as plt
import numpy as np

from compress.lowering import workload_of
from compress.format.container import Artifact
from compress.methods.prune import weights_of
from compress.methods.share import CentroidTuning, share
from compress.nn.train import evaluate
from experiments.figures import style
from experiments.labs.answers import CODEBOOK, GRADIENT, MATRIX
from experiments.labs.kit import check, digits, trained
from hwsim.workload.networks import load_network

labels = np.abs(MATRIX[..., None] - CODEBOOK).argmin(axis=-1)
print("weights\n", MATRIX)
print("codebook", CODEBOOK)
print("labels\n", labels)
print("what is executed\n", CODEBOOK[labels])

# %% [markdown]
# **Exercise 3.1.** How many times fewer bits is that? (Count labels and codebook; a shared value keeps its 32
# bits.)

# %% tags=["answer"]
times_fewer = None

# %% tags=["solution"]
times_fewer = 16 * 32 / (16 * 2 + 4 * 32)

# %%
check("3.1", times_fewer)

# %% [markdown]
# To train a shared value, all weights of its cluster move together. Here is the gradient of each weight:

# %%
print(GRADIENT)

# %% [markdown]
# **Exercise 3.2.** What is the gradient of the shared value 2.0?

# %% tags=["answer"]
gradient_of_two = None

# %% tags=["solution"]
gradient_of_two = float(GRADIENT[labels == 3].sum())  # 2.09, 2.12, 1.92 and 1.87 share it

# %%
check("3.2", gradient_of_two)

# %% [markdown]
# The library does the same, for a tensor of any size:

# %%
shared = share(MATRIX + 10, 4, "optimal")  # + 10: zero is a value of its own in a sparse network
gradients = {"weight": GRADIENT.copy()}
CentroidTuning({"weight": shared}).adjust({"weight": shared.to_array()}, gradients, 0.0)
print("best four values", shared.codebook - 10)
print("their gradients\n", gradients["weight"])

# %% [markdown]
# ## Predict
#
# How many shared values per layer does LeNet-300-100 need to keep its error within half a point?

# %%
my_guess = 64  # values, yours

# %% [markdown]
# ## Run

# %%
network, data = trained(), digits()
names = list(weights_of(network).values())


def shared_by(values: int, init: str = "optimal") -> float:
    """Test error with so many values per layer, without training again."""
    tensors = {name: share(network.params[name], values, init).to_array() for name in names}
    return evaluate(network.with_params(tensors), data.test)


counts = [2, 3, 5, 7, 15, 31, 63]
errors = {init: [shared_by(count, init) for count in counts] for init in ("optimal", "linear", "density")}
with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 3.0), layout="constrained")
    for (init, found), colour in zip(errors.items(), style.SERIES, strict=False):
        axes.plot(counts, [100 * error for error in found], "o-", color=colour, label=init)
    axes.axhline(
        100 * evaluate(network, data.test), color=style.INK, linewidth=0.8, linestyle=":", label="fp32"
    )
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_ylim(0, 15)
    axes.set_xlabel("shared values per layer")
    axes.set_ylabel("test error, %")
    axes.legend(title="where the clusters begin")
    plt.show()

# %% [markdown]
# ## The surprise
#
# A handful of values is enough - without any training. Deep Compression finds that a linear start of
# k-means keeps more accuracy than a start where most weights are ("density"). Do you see that here?
# ("optimal" cannot be beaten in distance, only in accuracy.)
#
# The file below is a real one: its bytes are counted, decoded and executed.

# %%
tensors = {name: share(network.params[name], 15) for name in names}
artifact = Artifact.of(network, "shared", tensors)
print(f"{len(artifact.to_bytes()):,} bytes instead of {4 * network.parameter_count:,}")
print(f"test error {evaluate(artifact.to_network(), data.test):.2%} (you guessed {my_guess} values)")
stored = workload_of(artifact).layers[0].weights
print(f"the chip fetches {stored.total_bits:,} bits of fc1, {stored.total_bits / (784 * 300):.2f} per weight")

# %% [markdown]
# ## Convolution is weight sharing
#
# A filter is used at every position of the image. LeNet-5's `conv1` slides 20 filters of 5 x 5 over 28 x 28
# pixels.

# %%
conv1 = load_network("lenet5").layers[0]
print(f"{conv1.name}: {conv1.weight_count} weights, {conv1.macs:,} MACs")

# %% [markdown]
# **Exercise 3.3.** How often is a weight of `conv1` used per image? (And what does lab 1 say of that number?)

# %% tags=["answer"]
uses_per_weight = None

# %% tags=["solution"]
uses_per_weight = conv1.macs / conv1.weight_count

# %%
check("3.3", uses_per_weight)

# %% [markdown]
# **Exercise 3.4.** A fully-connected layer between the same inputs and outputs would have how many times more
# weights?

# %% tags=["answer"]
times_more_weights = None

# %% tags=["solution"]
times_more_weights = 28 * 28 * (20 * 24 * 24) / conv1.weight_count

# %%
check("3.4", times_more_weights)

# %% [markdown]
# **Exercise 3.5, to write.** Write `k_means_step(weights, codebook)`: one step of k-means. It returns the
# new codebook: each value becomes the mean of the weights that are nearest to it, and stays where there
# are none.

# %% tags=["answer"]
k_means_step = None


# %% tags=["solution"]
def k_means_step(weights, codebook):
    """Move each value of the codebook to the mean of its weights."""
    labels = np.abs(weights[..., None] - codebook).argmin(axis=-1)
    return [
        weights[labels == label].mean() if (labels == label).any() else value
        for label, value in enumerate(codebook)
    ]


# %%
check("3.5", k_means_step)

# %% [markdown]
# **To think about.** Both are weight sharing. One is chosen before training and saves DRAM words *and* learns
# from every position; the other is found after training and saves bits. Why does the second not save
# multiplications?
