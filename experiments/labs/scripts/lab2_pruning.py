# %% [markdown]
# # Lab 2: pruning, and dense-sparse-dense
#
# **Question.** How many of a network's weights does it need?
#
# A child's brain has about 10^15 synapses, an adult's about 10^14 (orders of magnitude, as textbooks round
# them): connections that are not used are removed while learning goes on. Pruning a network does the same:
# train, remove the weakest weights, train what is left.
#
# **Goals.** You prune a network and train it again; say when a sparse form pays.
#
# **Time.** 45 minutes. **Points.** 5. **Before.** Lab 1; what training a network means.

# %% [markdown]
# ## Predict
#
# Without training again, down to which fraction of its weights does LeNet-300-100 keep its error within one
# point?

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

my_guess = 0.5  # a fraction, yours

# %% [markdown]
# ## Run
#
# A sixth of MNIST and four epochs take a second. All errors below are of the 10,000 test images.

# %%
import matplotlib.pyplot as plt
import numpy as np

from compress.methods.dsd import Schedule, dense_sparse_dense
from compress.nn.lenets import build
from compress.nn.network import Network
from compress.methods.prune import layer_masks, weights_of
from compress.nn.train import evaluate
from compress.nn.config import TrainConfig
from experiments.figures import style
from experiments.labs.kit import check, digits, retrained, trained
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network
from hwsim.run import simulate

network, data = trained(), digits()
weights = {name: network.params[name] for name in weights_of(network).values()}


def pruned_to(density: float) -> tuple[Network, dict]:
    """Keep the largest weights of each layer."""
    masks = layer_masks(weights, dict.fromkeys(weights, density))
    kept = {name: np.where(masks[name], weights[name], 0).astype(np.float32) for name in masks}
    return network.with_params(kept), masks


densities = [1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03]
at_once = [evaluate(pruned_to(density)[0], data.test) for density in densities]
again = [evaluate(retrained(*pruned_to(density)), data.test) for density in densities[4:]]
for density, error in zip(densities, at_once, strict=True):
    print(f"density {density:>4.0%}: test error {error:6.2%}")

# %% [markdown]
# ## The surprise

# %%
with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 3.0), layout="constrained")
    axes.plot(densities, [100 * error for error in at_once], "o-", color=style.SERIES[1])
    axes.plot(densities[4:], [100 * error for error in again], "o-", color=style.SERIES[0])
    for name, place, colour in (
        ("pruned at once", (0.1, 100 * at_once[4]), style.SERIES[1]),
        ("and trained again", (0.1, 100 * again[0]), style.SERIES[0]),
    ):
        axes.annotate(name, place, (8, 4), textcoords="offset points", color=colour)
    axes.set_xscale("log")
    axes.set_xticks(densities, [f"{density:.0%}" for density in densities])
    axes.minorticks_off()
    axes.set_ylim(0, 40)
    axes.set_xlabel("weights that are kept")
    axes.set_ylabel("test error, %")
    plt.show()

for density, error in zip(densities[4:], again, strict=True):
    print(f"density {density:>4.0%}, trained again: {error:6.2%}")
print(f"you guessed {my_guess:.0%}")

# %% [markdown]
# Cut at once, the network breaks somewhere; the very same cut does little harm if what is left may relearn.
# With minutes of training instead of a second, 6% of the weights lose a tenth of a point or less: `hwsim
# demo`.
#
# **Exercise 2.1.** Han et al. (2016) keep 8% of `fc1` (784 inputs, 300 outputs). How many weights is that?

# %% tags=["answer"]
kept_of_fc1 = None

# %% tags=["solution"]
kept_of_fc1 = round(0.08 * 784 * 300)

# %%
check("2.1", kept_of_fc1)

# %% [markdown]
# A sparse matrix has to say *where* its weights are. Stored as gaps of 4 bits between non-zeros, a weight
# takes 32 + 4 bits, and nothing if it is zero.
#
# **Exercise 2.2.** Below which density is the sparse form smaller than the dense one?

# %% tags=["answer"]
pays_below = None

# %% tags=["solution"]
pays_below = 32 / (32 + 4)

# %%
check("2.2", pays_below)

# %% [markdown]
# **Exercise 2.3.** Which density does the brain arrive at?

# %% tags=["answer"]
brain_density = None

# %% tags=["solution"]
brain_density = 1e14 / 1e15

# %%
check("2.3", brain_density)

# %% [markdown]
# **Exercise 2.4.** On the edge chip, how many times less energy does an inference of the pruned network take?
# (The shipped network `lenet300` at the stages `dense` and `pruned` has the published densities.)

# %%
chip = load_chip("edge")

# %% tags=["answer"]
energy_gain = None

# %% tags=["solution"]
energies = [
    simulate(chip, load_network("lenet300", stage)).energy_per_inference_J for stage in ("dense", "pruned")
]
energy_gain = energies[0] / energies[1]

# %%
check("2.4", energy_gain)

# %% [markdown]
# ## Dense-sparse-dense
#
# Pruning can also be a *teacher*: train, prune, train sparse, then let all weights grow back (Han et al.,
# DSD, 2017). The honest opponent is a dense network that trains just as long. Three seeds each:

# %%
SHORT = TrainConfig(epochs=1, learning_rate=0.1)
errors: dict[float, list[float]] = {0.0: [], 0.5: []}
for sparsity, found in errors.items():
    for seed in range(3):
        start = build("lenet300", np.random.default_rng(seed))
        schedule = Schedule.published(SHORT, sparsity)
        periods = dense_sparse_dense(start, data, schedule, rng=np.random.default_rng(seed))
        found.append(evaluate(periods.final, data.test))
for sparsity, found in errors.items():
    name = "dense all along" if sparsity == 0 else f"{sparsity:.0%} removed between"
    print(f"{name:<22} {', '.join(f'{error:.2%}' for error in found)}   median {np.median(found):.2%}")

# %% [markdown]
# **Exercise 2.5, to write.** Write `prune(weights, density)`: a mask of booleans that keeps the largest
# weights by magnitude, `round(density * weights.size)` of them. Begin with `def prune(weights,
# density):`.

# %% tags=["answer"]
prune = None


# %% tags=["solution"]
def prune(weights, density):
    """Keep the largest weights by magnitude."""
    kept = round(density * weights.size)
    mask = np.zeros(weights.size, bool)
    mask[np.argsort(-np.abs(weights), axis=None)[:kept]] = True
    return mask.reshape(weights.shape)


# %%
check("2.5", prune)

# %% [markdown]
# **To think about.** Is the difference larger than what the seed alone does? How many seeds would you want
# before you claim that DSD helps *here*? (`hwsim experiments list` names the study that asks this properly.)
#
# The same from the command line: `hwsim run edge lenet300`.
