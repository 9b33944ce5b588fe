"""Settings of a board are touched only where that was allowed, and are as they were in every case."""

import json
import os
import signal

import pytest
from measured_board import FOUND, OTHERS, FakeDevice, measurement

from experiments.measure.device import Refused
from experiments.measure.recording import Recorded, as_plain, read_recording
from experiments.measure.session import described, measure_all
from experiments.measure.tasks import PLAN, REPEATED
from hwsim.errors import InputError


def test_nothing_is_set_unless_it_is_allowed():
    device = FakeDevice()
    found = measure_all(device, ())
    assert device.applied == []
    assert [one.task for one in found.readings] == list(PLAN)


def test_settings_are_changed_one_after_another_and_restored():
    device = FakeDevice()
    found = measure_all(device, (), set_clocks=True)
    assert device.applied == [*OTHERS, FOUND]
    assert len(found.readings) == len(PLAN) + len(OTHERS) * len(REPEATED)


@pytest.mark.parametrize(
    "error", [RuntimeError("lost"), InputError("gone"), KeyboardInterrupt(), SystemExit(1)]
)
def test_settings_are_restored_after_an_exception(error):
    device = FakeDevice(fails=error)
    with pytest.raises(type(error)):
        measure_all(device, (), set_clocks=True)
    assert device.applied == [OTHERS[0], FOUND]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_settings_are_restored_after_a_signal(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    device = FakeDevice()

    def measure(task):
        if device.now != FOUND:
            os.kill(os.getpid(), number)
        return FakeDevice.measure(device, task)

    device.measure = measure
    with pytest.raises(SystemExit) as ended:
        measure_all(device, (), set_clocks=True)
    assert ended.value.code == 128 + number
    assert device.now == FOUND
    assert signal.getsignal(number) is before


def test_a_board_that_refuses_is_measured_as_found():
    device = FakeDevice(refuses=Refused("the clock cannot be set"))
    found = measure_all(device, (), set_clocks=True)
    assert device.applied == []
    assert len(found.readings) == len(PLAN)
    assert found.notes == ("other settings are not measured: the clock cannot be set",)


def test_what_the_chip_does_not_multiply_is_not_measured():
    tasks = {one.task for one in measure_all(FakeDevice(), ("fp16",)).readings}
    assert {task.arithmetic for task in tasks} == {"fp16"}
    assert {task for task in PLAN if task.arithmetic == "fp16"} == tasks
    assert {one.task.kind for one in measure_all(FakeDevice(), ("int8",)).readings} == {
        "idle",
        "gemm",
        "wait",
    }


def test_settings_are_named_by_what_differs():
    assert [described(one, FOUND) for one in (FOUND, *OTHERS)] == ["as found", "705 MHz", "200 W"]


def test_a_recording_replays_the_measurement(tmp_path):
    found = measurement(others=OTHERS)
    path = tmp_path / "recording.json"
    path.write_text(json.dumps(as_plain(found)), encoding="utf-8")
    again = measure_all(Recorded(read_recording(path)), (), set_clocks=True)
    assert again == found


def test_a_recording_says_what_it_lacks():
    found = measurement()
    part = Recorded(type(found)(found.board, found.found, found.readings[1:], ()))
    again = measure_all(part, ())
    assert again.readings == found.readings[1:]
    assert again.notes == ("idle, as found, is not measured: it is not in the recording",)
    with pytest.raises(Refused, match="no settings"):
        part.apply(OTHERS[0])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"board": {"name": "x", "driver": "y", "date": "z", "remarks": []}, "found": 3}'],
)
def test_what_is_no_recording_is_refused(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not a recording of hwsim measure"):
        read_recording(path)


def test_a_recording_of_impossible_readings_names_the_file(tmp_path):
    data = as_plain(measurement())
    data["readings"][0]["seconds"] = 0
    path = tmp_path / "recording.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=r"recording\.json: idle: took 0 s"):
        read_recording(path)
