# %% [markdown]
# # Lab 7: one token of a language model
#
# **Question.** A language model writes word by word, and fetches every weight for each word. Where do the
# joules of a token go, and when does a power cap of 250 W matter?
#
# **Goals.** You bound the tokens per second of a model by hand; tell when a power cap costs speed.
#
# **Time.** 40 minutes. **Points.** 4. **Before.** Lab 6.

# %%
from hwsim.beside import require_packages

require_packages()  # says if a file of yours has the name of one of them

from experiments.threads import use_one_thread

use_one_thread()  # before numpy is imported: the same digits on every machine

# %%
import matplotlib.pyplot as plt
import numpy as np

from compress.language.session import write
from compress.nn.network import Network
from compress.nn.zoo.llama import LlamaShape
from experiments.figures import style
from experiments.labs.answers import LLM, token
from experiments.labs.kit import check
from hwsim.machine.chip import load_chip
from hwsim.workload.language import model_of
from hwsim.workload.language.memory import Served

# %% [markdown]
# ## A decoder that you can read
#
# This Llama has two blocks and random weights, so what it writes means nothing. What it does for a token is
# what a large one does: a row of the embedding, then for each block attention over all tokens so far and a
# feed-forward network, then a score for every word.

# %%
shape = LlamaShape(words=100, features=32, blocks=2, heads=4, kv_heads=2, hidden=64)
network = Network(
    "tiny", (), shape.nodes(), shape.random(np.random.default_rng(0)), interface=shape.interface()
)
print([node.name for node in network.nodes if node.name.startswith("0.")])
print("after 1, 2, 3 it writes", list(write(network, [1, 2, 3], 5)))

# %% [markdown]
# The keys and values of earlier tokens stay in a cache; the weights are needed anew for every token.
#
# ## By hand: how many tokens per second can there be?

# %%
model, chip = model_of(LLM), load_chip("a100_pcie")
matrices = model.inner.total + model.head.total
print(
    f"{LLM}: {matrices:,} weights for a token (the embedding left out), {chip.dram.bandwidth_GB_per_s:g} GB/s"
)

# %% [markdown]
# **Exercise 7.1.** Weights have 16 bits. How many tokens per second can one sequence have at most, if nothing
# but the weights is fetched?

# %% tags=["answer"]
most_tokens = None

# %% tags=["solution"]
most_tokens = chip.dram.bandwidth_GB_per_s * 1e9 / (2 * matrices)

# %%
check("7.1", most_tokens)

# %% [markdown]
# ## Predict
#
# INT4 weights (in groups of 128) have 4.2 bits instead of 16. How many times less energy does a token take?
# The card draws at most 250 W. Does it reach that when it writes one sequence?

# %%
my_guess = "3.8 times less, and no"  # yours

# %% [markdown]
# ## Run

# %%
FORMS = ("bf16", "bf16-huffman", "int8", "int4-g128")
alone = {form: token(form, 1) for form in FORMS}
for form, report in alone.items():
    watts = report.energy_per_inference_J * report.inferences_per_s
    print(
        f"{form:<13} {report.inferences_per_s:6.1f} tokens/s, {report.energy_per_inference_J:.2f} J "
        f"per token, {watts:.0f} W at {report.clock:.0%} of the clock, limited by {report.limiter}"
    )

with style.applied():
    figure, axes = plt.subplots(figsize=(style.HALF_PAGE_IN, 2.4), layout="constrained")
    left = np.zeros(len(FORMS))
    for name, (label, colour) in style.COMPONENTS.items():
        joules = np.array([report.energy_by("component").get(name, 0.0) for report in alone.values()])
        if joules.max() > 0.01:
            axes.barh(FORMS, joules, left=left, color=colour, label=label)
            left += joules
    axes.invert_yaxis()
    axes.set_xlabel("J per token, batch 1")
    axes.legend(fontsize=7)
    plt.show()

# %% [markdown]
# **Exercise 7.2.** How many times less energy does a token take with INT4 weights than in bf16?

# %% tags=["answer"]
int4_gain = None

# %% tags=["solution"]
int4_gain = alone["bf16"].energy_per_inference_J / alone["int4-g128"].energy_per_inference_J

# %%
check("7.2", int4_gain)

# %% [markdown]
# ## The surprise
#
# Energy follows the bytes, but not to the full factor: the cache is fetched as well, and the card draws power
# while it waits. Coded exponents save little, because the vector lanes have to decode a symbol per weight.
# The card reaches its cap in every form, because a die that waits is awake. The cap lowers the clock. In bf16
# that costs 1% of the speed: writing is memory-bound.
#
# **Exercise 7.3.** The cache holds 1,024 tokens of each sequence. From how many sequences on is it larger
# than the weights in bf16? (`Served.of(LLM, "bf16")` has `weights_B` and `cache_B(tokens)`.)

# %%
served = Served.of(LLM, "bf16")
print(f"weights {served.weights_B:,} B, cache of a sequence {served.cache_B(1024):,} B")

# %% tags=["answer"]
sequences = None

# %% tags=["solution"]
sequences = int(np.ceil(served.weights_B / served.cache_B(1024)))

# %%
check("7.3", sequences)

# %% [markdown]
# **Exercise 7.4.** A prompt of 1,024 tokens is read at once, so each weight is used 1,024 times. What limits
# this pass? (One word, as the report says it.)

# %%
reading = token("bf16", 1, prompt=1024)
print(f"clock at {reading.clock:.0%} of its rate, {reading.energy_per_inference_J / 1024:.4f} J per token")

# %% tags=["answer"]
limited_by = None

# %% tags=["solution"]
limited_by = reading.limiter

# %%
check("7.4", limited_by)

# %% [markdown]
# Reading a prompt is power-limited: the cap costs 12% of the speed. Writing one sequence is memory-bound: the
# cap lowers the clock there, too, and costs almost no speed.
#
# **To think about.** What do four bits gain when a prompt is read? Which of the two passes does your own use
# of a language model have more of? `hwsim experiments run llm_compress` has the perplexity that each form
# costs.
