# %% [markdown]
# # Lab 5: fitting on chip
#
# **Question.** Is the energy of an inference proportional to the bytes of the network?
#
# **Goals.** You find the memory at which a network fits; say what a batch changes.
#
# **Time.** 40 minutes. **Points.** 5. **Before.** Labs 1 to 4.

# %% [markdown]
# ## Predict
#
# Draw, on paper, the energy per inference of LeNet-300-100 over the capacity of the on-chip memory: one line
# for the dense network (1.07 MB), one for the compressed one (28 kB). A slope? A step? Where?

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

my_guess = 1024  # KiB at which the dense network stops paying for DRAM, yours

# %% [markdown]
# ## Run

# %%
import matplotlib.pyplot as plt

from experiments.figures import style
from experiments.labs.kit import check
from hwsim.units import memory_size
from hwsim.machine.chip import load_chip
from hwsim.workload.networks import load_network
from hwsim.run import simulate

chip = load_chip("edge")
sizes = [1 << shift for shift in range(14, 23)]
found = {
    stage: [
        simulate(chip.replace(**{"sram.capacity_B": size}), load_network("lenet300", stage)) for size in sizes
    ]
    for stage in ("dense", "pruned", "shared", "huffman")
}
with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 3.2), layout="constrained")
    for stage, reports in found.items():
        label, colour = style.STAGES[stage]
        axes.plot(
            sizes,
            [1e6 * report.energy_per_inference_J for report in reports],
            "o-",
            color=colour,
            label=label,
        )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [memory_size(size) for size in sizes])
    axes.set_xlabel("on-chip memory")
    axes.set_ylabel("energy per inference, µJ")
    axes.legend()
    plt.show()

for size, report in zip(sizes, found["dense"], strict=True):
    print(f"{memory_size(size):>8}: {1e6 * report.energy_per_inference_J:7.1f} µJ, {report.weights_home}")

# %% [markdown]
# ## The surprise
#
# It is a ramp with a knee. Weights that stay on chip are fetched once and never again; the others are
# fetched at every inference. Each byte of memory saves one byte of DRAM traffic, until all weights are on
# chip. On a logarithmic axis that looks like a cliff.
#
# **Exercise 5.1.** From how many KiB on (a power of two) does the dense network live on chip?

# %% tags=["answer"]
dense_KiB = None

# %% tags=["solution"]
dense_KiB = (
    next(s for s, report in zip(sizes, found["dense"], strict=True) if report.weights_home == "on chip") >> 10
)

# %%
check("5.1", dense_KiB)
print(f"you guessed {my_guess} KiB")

# %% [markdown]
# **Exercise 5.2.** And the coded one?

# %% tags=["answer"]
coded_KiB = None

# %% tags=["solution"]
coded_KiB = (
    next(s for s, report in zip(sizes, found["huffman"], strict=True) if report.weights_home == "on chip")
    >> 10
)

# %%
check("5.2", coded_KiB)

# %% [markdown]
# Beyond the knee, smaller is hardly cheaper: the compressed lines run together, and even the dense network
# takes only two to three times as much. Now a large network on a large chip, AlexNet on 250 W.

# %%
large = load_chip("reference_250w")

# %% [markdown]
# **Exercise 5.3.** At batch 1, how many times less energy does an inference take, coded instead of dense?

# %% tags=["answer"]
gain_at_1 = None

# %% tags=["solution"]
dense, coded = (simulate(large, load_network("alexnet", stage), batch=1) for stage in ("dense", "huffman"))
gain_at_1 = dense.energy_per_inference_J / coded.energy_per_inference_J

# %%
check("5.3", gain_at_1)

# %% [markdown]
# **Exercise 5.4.** And at batch 64?

# %% tags=["answer"]
gain_at_64 = None

# %% tags=["solution"]
dense, coded = (simulate(large, load_network("alexnet", stage), batch=64) for stage in ("dense", "huffman"))
gain_at_64 = dense.energy_per_inference_J / coded.energy_per_inference_J

# %%
check("5.4", gain_at_64)

# %% [markdown]
# **Exercise 5.5, to write.** Write `dram_bytes(sizes, fetches, capacity)`: bytes that weights take from
# DRAM per inference. Layer i has `sizes[i]` bytes and is read `fetches[i]` times. `capacity` bytes may
# stay on chip, of any layer in part: choose those that save most.

# %% tags=["answer"]
dram_bytes = None


# %% tags=["solution"]
def dram_bytes(sizes, fetches, capacity):
    """Pin the bytes that are fetched most often."""
    traffic = 0
    for times, size in sorted(zip(fetches, sizes, strict=True), reverse=True):
        pinned = min(size, capacity)
        capacity -= pinned
        traffic += times * (size - pinned)
    return traffic


# %%
check("5.5", dram_bytes)

# %% [markdown]
# A batch uses every fetched weight of the fully-connected layers 64 times: it gets by *reuse* what
# compression gets by *fitting*. A data centre has batches; a phone that hears one sentence has not.
#
# **To think about.** Weights that stay on chip leak all the time. Below which rate of inferences is fetching
# cheaper? (`hwsim experiments run rent`)
