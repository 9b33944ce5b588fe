# %% [markdown]
# # Lab 6: dark silicon, and the cap
#
# **Question.** A chip has 48 tiles of 1,024 MACs at 1 GHz, and may draw 250 W. How many tiles can work at
# once?
#
# **Goals.** You count the tiles a power cap leaves active; compare ways to keep it.
#
# **Time.** 50 minutes. **Points.** 6. **Before.** Lab 5.

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

# %%
import matplotlib.pyplot as plt

from experiments.figures import style
from experiments.labs.kit import check
from hwsim.machine.chip import load_chip
from hwsim.energy.table import EnergyTable
from hwsim.analysis.strategies import dimmed, gated, voltage_scaled
from hwsim.workload.networks import load_network
from hwsim.run import simulate

chip, table = load_chip("reference_250w"), EnergyTable.load("45nm")
print(chip.array)
print(f"cap {chip.power.cap_W:g} W, of which {chip.static_W:g} W are drawn at rest")

# %% [markdown]
# **Exercise 6.1.** Multiplying and adding alone - no registers, no memories - how many watts would all MACs
# draw at full clock?

# %% tags=["answer"]
arithmetic_W = None

# %% tags=["solution"]
macs_per_s = chip.array.tiles * chip.array.rows * chip.array.cols * chip.process.clock_GHz * 1e9
arithmetic_W = macs_per_s * (table["multiply_fp32"].pJ + table["add_fp32"].pJ) * 1e-12

# %%
check("6.1", arithmetic_W)

# %% [markdown]
# With registers and scratchpads it is nearly twice that: the whole chip cannot run at full clock. Dennard
# scaling, under which each generation of transistors drew less in the same measure as there were more of
# them, has ended.
#
# ## Predict
#
# The fully-connected layers of AlexNet run at batch 64, dense. Which share of the peak MAC rate can the chip
# reach? And when the same weights are compressed?

# %%
my_guess = {"dense": 0.5, "huffman": 0.5}  # fractions, yours

# %% [markdown]
# ## Run


# %%
def fc_layers(stage: str, batch: int):
    """Simulate fc6 to fc8."""
    return simulate(chip, load_network("alexnet", stage).only(["fc6", "fc7", "fc8"]), batch)


reports = {stage: fc_layers(stage, 64) for stage in ("dense", "pruned", "shared", "huffman")}
runs = {stage: dimmed(report) for stage, report in reports.items()}
with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 2.8), layout="constrained")
    left = dict.fromkeys(runs, 0.0)
    spent = {name for run in runs.values() for name in run.watts}
    for name in style.in_order(spent, style.COMPONENTS, "component"):
        label, colour = style.COMPONENTS[name]
        watts = [run.watts.get(name, 0.0) for run in runs.values()]
        axes.barh(
            [style.STAGES[stage][0] for stage in runs],
            watts,
            left=list(left.values()),
            color=colour,
            label=label,
        )
        left = {stage: before + more for (stage, before), more in zip(left.items(), watts, strict=True)}
    axes.axvline(chip.power.cap_W, color=style.INK, linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("watts; the line is the cap")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    plt.show()

for stage, run in runs.items():
    print(f"{stage:<8} {run.inferences_per_s:>9,.0f} inferences/s, {run.peak_share:.0%} of the peak")
print("you guessed", my_guess)

# %% [markdown]
# The cap can be kept by *gating*: some tiles are switched off, the others run at full clock.
#
# **Exercise 6.2.** Which fraction of tile-time is power-gated at batch 64, dense?

# %% tags=["answer"]
gated_dense = None

# %% tags=["solution"]
gated_dense = gated(reports["dense"]).states.power_gated

# %%
check("6.2", gated_dense)

# %% [markdown]
# ## The surprise
#
# DRAM takes the watts that MACs need. Compression does not make a MAC cheaper, but it gives those watts back.
#
# **Exercise 6.3.** How many times more inferences per second does the coded network get under the same cap?

# %% tags=["answer"]
times_faster = None

# %% tags=["solution"]
times_faster = runs["huffman"].inferences_per_s / runs["dense"].inferences_per_s

# %%
check("6.3", times_faster)

# %% [markdown]
# **Exercise 6.4.** At batch 1, dense, the cap does not bind at all. In which state are the tiles most of the
# time: `computing`, `loading`, `stalled`, `throttled` or `power_gated`?

# %% tags=["answer"]
state_at_batch_1 = None

# %% tags=["solution"]
times = dimmed(fc_layers("dense", 1)).states._asdict()
state_at_batch_1 = max(times, key=lambda state: times[state])

# %%
check("6.4", state_at_batch_1)

# %% [markdown]
# A dark tile (throttled or power-gated) lacks power. A stalled tile lacks data: more power would not help it.
#
# **Exercise 6.5.** Instead of gating tiles, all of them can be slowed, and their voltage lowered with the
# clock (DVFS). How many times more inferences per second is that than gating, for the coded network?

# %% tags=["answer"]
dvfs_over_gating = None

# %% tags=["solution"]
gating, dvfs = gated(reports["huffman"]), voltage_scaled(reports["huffman"])
dvfs_over_gating = dvfs.inferences_per_s / gating.inferences_per_s

# %%
check("6.5", dvfs_over_gating)

# %% [markdown]
# **Exercise 6.6, to write.** Write `roofline(intensity, peak, bandwidth, watts, mac_J, byte_J)`: MACs per
# second of a chip that may draw `watts`. `intensity` is in MACs per byte of DRAM, `mac_J` are the joules
# of a MAC, and `byte_J` those of a byte from DRAM.

# %% tags=["answer"]
roofline = None


# %% tags=["solution"]
def roofline(intensity, peak, bandwidth, watts, mac_J, byte_J):
    """The least of three roofs: arrays, DRAM, power."""
    return min(peak, bandwidth * intensity, watts / (mac_J + byte_J / intensity))


# %%
check("6.6", roofline)

# %% [markdown]
# **To think about.** Why does that hold only as long as voltage can still be lowered? (`hwsim dark` carries
# this chip to 7 nm; `hwsim relight` draws all of the above.)
