# %% [markdown]
# # Lab 1: why a word from DRAM costs as much as 173 multiplications
#
# **Question.** A neural network is multiplications. Where, then, do the joules of an inference go?
#
# **Goals.** You read an energy table; find where the joules of an inference go.
#
# **Time.** 30 minutes. **Points.** 4. **Before.** Multiplying matrices; no hardware.

# %% [markdown]
# ## Predict
#
# An accelerator reads a 32-bit weight from DRAM, multiplies it by an activation and adds the product to a
# sum. Before you run anything, write down which part of the energy of a whole inference you think is spent on
# DRAM.

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

my_guess = 0.5  # a fraction, yours

# %% [markdown]
# ## Run
#
# The simulator prices actions by a table. Every figure says who measured it.

# %%
import matplotlib.pyplot as plt

from experiments.figures import style
from experiments.labs.kit import check
from hwsim.machine.chip import load_chip
from hwsim.energy.table import EnergyTable
from hwsim.energy.sram import bank_access
from hwsim.workload.networks import load_network
from hwsim.run import simulate

table = EnergyTable.load("45nm")
for action in (
    "add_int32",
    "add_fp32",
    "multiply_fp32",
    "register_32b",
    "sram_32KiB_read_32b",
    "dram_read_32b",
):
    figure = table[action]
    print(f"{action:<22}{figure.pJ:>8.2f} pJ   {figure.source}")

# %% [markdown]
# **Exercise 1.1.** How many fp32 multiplications could be paid for with one 32-bit word of DRAM?

# %% tags=["answer"]
multiplications_per_word = None

# %% tags=["solution"]
multiplications_per_word = table["dram_read_32b"].pJ / table["multiply_fp32"].pJ

# %%
check("1.1", multiplications_per_word)

# %% [markdown]
# The famous *160* is 640 pJ over a round 4 pJ. A multiply-accumulate (MAC) is a multiplication and an
# addition.
#
# **Exercise 1.2.** How often must a weight be used, once fetched, until its MACs cost as much as the fetch?

# %% tags=["answer"]
macs_per_word = None

# %% tags=["solution"]
macs_per_word = table["dram_read_32b"].pJ / (table["multiply_fp32"].pJ + table["add_fp32"].pJ)

# %%
check("1.2", macs_per_word)

# %% [markdown]
# In a fully-connected layer at batch 1, a weight is used **once**. Now run such a network: LeNet-300-100 on a
# small chip whose on-chip memory, 128 KiB, is eight times too small for it.

# %%
report = simulate(load_chip("edge"), load_network("lenet300", "dense"))
energy = report.energy_by("component").sort_values()
print(f"{1e6 * report.energy_per_inference_J:.1f} µJ per inference; weights live: {report.weights_home}")

with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 2.6), layout="constrained")
    axes.barh(
        [style.COMPONENTS[name][0] for name in energy.index],
        1e6 * energy,
        color=[style.COMPONENTS[name][1] for name in energy.index],
    )
    axes.set_xlabel("energy per inference, µJ")
    axes.set_title("LeNet-300-100, dense, on the edge chip")
    plt.show()

# %% [markdown]
# **Exercise 1.3.** Which fraction of the energy is DRAM's? (Compare with your guess.)

# %% tags=["answer"]
dram_share = None

# %% tags=["solution"]
dram_share = energy["dram"] / report.energy_per_inference_J

# %%
check("1.3", dram_share)
print(f"you guessed {my_guess:.0%}")

# %% [markdown]
# ## The surprise
#
# "SRAM is 128 times cheaper than DRAM" holds for one bank of 32 KiB: 640 / 5. What an access costs grows with
# the bank that is read, about as the square root of its capacity.

# %%
for capacity in (32 << 10, 256 << 10, 1 << 20):
    bank = bank_access(capacity, table)
    print(f"{capacity >> 10:>6} KiB: {32 * bank.pJ:6.1f} pJ a word   ({bank.note})")

# %% [markdown]
# **Exercise 1.4.** How many times more does a DRAM word cost than one from a memory of 8 MiB, read through
# one port?

# %% tags=["answer"]
dram_over_8MiB = None

# %% tags=["solution"]
dram_over_8MiB = table["dram_read_32b"].pJ / (32 * bank_access(8 << 20, table).pJ)

# %%
check("1.4", dram_over_8MiB)

# %% [markdown]
# A large memory is therefore built of small banks near the arrays, and the wire to them is paid by the
# millimetre.
#
# **To think about.** Convolutions use a weight hundreds of times per image, a batch of 64 uses it 64 times
# more. What happens to your answer to 1.3? (`simulate(..., batch=64)`.)
#
# The same from the command line: `hwsim energy --op dram_read_32b`, `hwsim run edge lenet300 --stage dense`.
