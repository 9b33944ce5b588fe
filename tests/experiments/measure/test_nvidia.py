"""An NVIDIA board by PyTorch and NVML, with stand-ins for both; and the sentences where there is none."""

import contextlib
import os
import sys
import weakref
from types import SimpleNamespace

import pytest

from experiments.cli import main as cli
from experiments.measure import nvidia, nvml
from experiments.measure.device import Refused, Settings, Unsupported
from experiments.measure.nvidia import NvidiaBoard
from experiments.measure.nvml import Meter
from experiments.measure.tasks import IDLE, LARGE, SMALL, WAIT, Task
from hwsim.errors import InputError

UUID = "GPU-00000000-0000-0000-0000-000000000000"


class FakeError(Exception):
    pass


class FakeNvml:
    """One board of 250 W; its energy counter gains 60 J at each look.

    Its default clock of applications, 1095 MHz, is lower than those it reaches as long as none is set.
    """

    NVMLError = FakeError
    NVML_CLOCK_GRAPHICS, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2

    def __init__(self, **failing):
        self.failing, self.calls, self.clock, self.limit_mW = failing, [], 1095, 250_000
        self.counter_mJ = 0

    def __getattr__(self, name):
        """Fail where told to."""
        own = object.__getattribute__(self, f"_{name}")

        def call(*arguments):
            self.calls.append((name, *arguments[1:]))
            if name in self.failing:
                raise FakeError(self.failing[name])
            return own(*arguments)

        return call

    def set_calls(self):
        return [call for call in self.calls if "Set" in call[0] or "Reset" in call[0]]

    def _nvmlInit(self):
        pass

    def _nvmlDeviceGetHandleByIndex(self, index):
        return f"board {index}"

    def _nvmlDeviceGetHandleByUUID(self, uuid):
        return f"board {uuid}"

    def _nvmlDeviceGetUUID(self, handle):
        return UUID

    def _nvmlDeviceGetName(self, handle):
        return "Fake board"

    def _nvmlSystemGetDriverVersion(self):
        return "1.2"

    def _nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=-1)]

    def _nvmlDeviceGetPowerManagementLimit(self, handle):
        return self.limit_mW

    def _nvmlDeviceGetPowerManagementLimitConstraints(self, handle):
        return [150_000, 250_000]

    def _nvmlDeviceGetApplicationsClock(self, handle, kind):
        return self.clock if kind == self.NVML_CLOCK_GRAPHICS else 1215

    def _nvmlDeviceGetDefaultApplicationsClock(self, handle, kind):
        return 1095 if kind == self.NVML_CLOCK_GRAPHICS else 1215

    def _nvmlDeviceResetApplicationsClocks(self, handle):
        self.clock = 1095

    def _nvmlDeviceGetSupportedGraphicsClocks(self, handle, memory_MHz):
        assert memory_MHz == 1215
        return list(range(1410, 200, -15))

    def _nvmlDeviceSetApplicationsClocks(self, handle, memory_MHz, clock_MHz):
        assert memory_MHz == 1215
        self.clock = clock_MHz

    def _nvmlDeviceSetPowerManagementLimit(self, handle, limit_mW):
        self.limit_mW = limit_mW

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle):
        self.counter_mJ += 60_000
        return self.counter_mJ

    def _nvmlDeviceGetPowerUsage(self, handle):
        return 80_000

    def _nvmlDeviceGetClockInfo(self, handle, kind):
        assert kind == self.NVML_CLOCK_SM
        return 1400


class FakeTensor:
    def __init__(self, *shape, dtype=None):
        self.shape, self.dtype = shape, dtype

    def t(self):
        return FakeTensor(*self.shape[::-1], dtype=self.dtype)


class FakeTorch:
    """Counts the launches of kernels; a graph launches again what it captured."""

    __version__, float16, int8, int32 = "0", "float16", "int8", "int32"

    def __init__(self, *, available=True):
        self.launched, self.operands, self.graphs = [], [], 0
        self.cuda = SimpleNamespace(
            is_available=lambda: available,
            synchronize=lambda: None,
            CUDAGraph=self._graph,
            graph=lambda graph, stream: contextlib.nullcontext(),
            stream=contextlib.nullcontext,
            Stream=lambda: SimpleNamespace(wait_stream=lambda other: None),
            current_stream=lambda: None,
            _sleep=lambda cycles: self.launched.append(("sleep", cycles)),
        )

    def _graph(self):
        self.graphs += 1
        return SimpleNamespace(replay=self._replay)

    def _replay(self):
        assert self.operands
        assert all(operand() for operand in self.operands), "an operand of the graph is freed"
        self.launched.append("replay")

    def randn(self, shape, dtype, device):
        return FakeTensor(*shape, dtype=dtype)

    def randint(self, low, high, shape, dtype, device):
        assert (low, high) == (-128, 128)
        return FakeTensor(*shape, dtype=dtype)

    def empty(self, shape, dtype, device):
        return FakeTensor(*shape, dtype=dtype)

    def mm(self, a, b, out):
        assert (a.shape[0], b.shape[1]) == out.shape
        assert a.shape[1] == b.shape[0]
        self.operands = [weakref.ref(a), weakref.ref(b), weakref.ref(out)]
        self.launched.append(("mm", a.shape, b.shape, out.dtype))

    def _int_mm(self, a, b, out):
        raise RuntimeError("no int8 kernel\nin some file")


@pytest.fixture
def installed(monkeypatch):
    """Both packages as stand-ins, and seconds that are short."""
    monkeypatch.setenv(nvml.VISIBLE, "0")
    for name in ("SETTLE_S", "MEASURE_S", "REST_S", "ROUND_S"):
        monkeypatch.setattr(nvidia, name, 0.005)
    monkeypatch.setattr(nvml, "SAMPLE_S", 0.001)
    monkeypatch.setattr(nvidia, "find_spec", lambda name: name)

    def install(torch=None, board=None):
        modules = {"torch": torch or FakeTorch(), "pynvml": board or FakeNvml()}
        monkeypatch.setattr(nvidia, "import_module", modules.__getitem__)
        return modules["torch"], modules["pynvml"]

    return install


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in nvidia.PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(nvidia, "find_spec", lambda name: None)
    assert cli.run(cli.HWSIM, ["measure", "--chip", "a100_pcie"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: hwsim measure needs torch and nvidia-ml-py: install them with pip install 'hwsim[gpu]'\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetHandleByIndex"])
def test_without_a_board_one_sentence_says_so(installed, call, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    installed(board=FakeNvml(**{call: "Driver Not Loaded"}))
    assert cli.run(cli.HWSIM, ["measure", "--chip", "a100_pcie"]) == 2
    sentence = "NVML says Driver Not Loaded, expected a machine with one and its driver"
    assert capsys.readouterr().err == f"error: no NVIDIA board is found: {sentence}\n"


def test_torch_without_cuda_is_refused(installed):
    installed(torch=FakeTorch(available=False))
    with pytest.raises(InputError, match="torch 0 finds no CUDA board"):
        NvidiaBoard()


def test_cuda_is_told_which_board_is_read(monkeypatch):
    monkeypatch.setenv(nvml.VISIBLE, "2,3")
    board = FakeNvml()
    assert Meter(board).board.remarks == ("1 other processes use the board, so its figures include them",)
    assert ("nvmlDeviceGetHandleByIndex",) in board.calls
    assert os.environ[nvml.VISIBLE] == UUID
    Meter(board)
    assert ("nvmlDeviceGetHandleByUUID",) in board.calls


def test_a_gemm_is_repeated_and_read(installed):
    torch, board = installed()
    one = NvidiaBoard().measure(SMALL)
    assert torch.launched[: SMALL.at_once + 1] == [("mm", (64, 512), (512, 512), "float16")] * (
        SMALL.at_once + 1
    )
    assert set(torch.launched[SMALL.at_once + 1 :]) == {"replay"}
    assert one.launches % SMALL.at_once == 0
    assert 0.005 <= one.seconds < 5
    assert one.counter_J == 60.0
    assert {(sample.power_W, sample.clock_MHz) for sample in one.samples} == {(80.0, 1400.0)}
    assert one.settings == Settings(250.0)
    assert board.set_calls() == []


def test_rest_and_wait_launch_no_kernel(installed):
    torch, _ = installed()
    board = NvidiaBoard()
    assert board.measure(IDLE).launches == 0
    assert (torch.launched, torch.graphs) == ([], 0)
    assert board.measure(WAIT).launches == 0
    assert set(torch.launched) == {("sleep", nvidia.WAIT_CYCLES)}


def test_a_board_without_an_energy_counter_is_sampled(installed):
    installed(board=FakeNvml(nvmlDeviceGetTotalEnergyConsumption="Not Supported"))
    one = NvidiaBoard().measure(LARGE)
    assert one.counter_J is None
    assert one.power_W == pytest.approx(80.0)


def test_a_kernel_that_the_board_lacks_is_left_out(installed):
    installed()
    with pytest.raises(Unsupported, match=r"^no int8 kernel$"):
        NvidiaBoard().measure(Task("int8", "gemm", "int8", 64, 64, 64))


def test_choices_are_clocks_that_the_board_has_and_a_limit_that_it_takes():
    choices = Meter(FakeNvml()).choices()
    assert choices == (Settings(250.0, 1050, 1215), Settings(250.0, 705, 1215), Settings(200.0))


def test_a_board_without_clocks_of_applications_is_given_a_limit_alone():
    assert Meter(FakeNvml(nvmlDeviceGetApplicationsClock="Not Supported")).choices() == (Settings(200.0),)


def test_a_board_that_does_not_tell_its_limits_has_no_choices():
    meter = Meter(FakeNvml(nvmlDeviceGetPowerManagementLimitConstraints="Not Supported"))
    with pytest.raises(Refused, match="power limits that the board takes cannot be read: NVML says Not Supp"):
        meter.choices()


def test_only_what_differs_is_set_and_a_default_clock_is_reset():
    board = FakeNvml()
    meter = Meter(board)
    found = meter.settings()
    assert found == Settings(250.0)
    meter.apply(found)
    assert board.set_calls() == []
    meter.apply(Settings(200.0, 705, 1215))
    meter.apply(found)
    assert board.set_calls() == [
        ("nvmlDeviceSetApplicationsClocks", 1215, 705),
        ("nvmlDeviceSetPowerManagementLimit", 200_000),
        ("nvmlDeviceResetApplicationsClocks",),
        ("nvmlDeviceSetPowerManagementLimit", 250_000),
    ]


def test_a_clock_that_somebody_had_set_is_set_again():
    board = FakeNvml()
    board.clock = 900
    meter = Meter(board)
    found = meter.settings()
    assert found == Settings(250.0, 900, 1215)
    assert [one.clock_MHz for one in meter.choices()] == [675, 450, 900]
    meter.apply(Settings(250.0, 450, 1215))
    meter.apply(found)
    assert board.clock == 900
    assert board.set_calls()[-1] == ("nvmlDeviceSetApplicationsClocks", 1215, 900)


def test_a_clock_that_cannot_be_restored_does_not_keep_the_limit_from_it():
    board = FakeNvml()
    meter = Meter(board)
    found = meter.settings()
    meter.apply(Settings(200.0, 705, 1215))
    board.failing["nvmlDeviceResetApplicationsClocks"] = "Insufficient Permissions"
    with pytest.raises(Refused, match="the clock cannot be reset: NVML says Insufficient Permissions"):
        meter.apply(found)
    assert board.limit_mW == 250_000


def test_who_may_not_set_the_clock_is_told_so():
    meter = Meter(FakeNvml(nvmlDeviceSetApplicationsClocks="Insufficient Permissions"))
    with pytest.raises(
        Refused, match=r"cannot be set to 705 MHz: NVML says .*, expected the rights of an admin"
    ):
        meter.apply(Settings(250.0, 705, 1215))
