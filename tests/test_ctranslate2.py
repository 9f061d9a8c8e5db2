from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from asrkit.ctranslate2 import FORMAT_VERSION, read_variables
from asrkit.errors import WeightsError
from asrkit.weights import PACKAGES, find

if TYPE_CHECKING:
    from pathlib import Path

PACKAGED = "openai/whisper-tiny.en"

VARIABLES = {
    "encoder/conv1/weight": np.arange(6, dtype="<f4").reshape(1, 2, 3),
    "encoder/num_heads": np.array(6, "<i2"),
    "decoder/layer_norm/gamma": np.array([0.5, -2.0], "<f2"),
    "quantised": np.array([[-1, 2], [3, -4]], "<i1"),
}


def model_bin(variables: dict[str, np.ndarray[Any, Any]], version: int = FORMAT_VERSION) -> bytes:
    """As ``ModelSpec._serialize`` of CTranslate2 writes it."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    parts = [struct.pack("<I", version), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        parts += [text(name), shape, struct.pack("<BI", kinds[value.dtype.name], value.nbytes), value.tobytes()]
    return b"".join([*parts, struct.pack("<I", 0)])


def test_variables_are_read_with_names_shapes_and_types():
    read = read_variables(BytesIO(model_bin(VARIABLES)))

    assert read.keys() == VARIABLES.keys()
    for name, value in VARIABLES.items():
        assert read[name].dtype == value.dtype
        np.testing.assert_array_equal(read[name], value)


@pytest.mark.parametrize("version", [0, 5, 7, 2**31])
def test_another_version_of_the_format_is_refused(version):
    with pytest.raises(WeightsError, match=f"expected CTranslate2 format 6, found {version}"):
        read_variables(BytesIO(model_bin(VARIABLES, version)))


def test_a_file_cut_anywhere_is_refused():
    whole = model_bin(VARIABLES)

    for length in range(len(whole) - 4):  # after the variables come aliases, which are not read
        with pytest.raises(WeightsError):
            read_variables(BytesIO(whole[:length]))


def test_what_is_no_model_is_refused():
    with pytest.raises(WeightsError):
        read_variables(BytesIO(b"PK\3\4" + bytes(100)))


def test_an_unknown_number_type_is_refused():
    data = bytearray(model_bin({"a": np.zeros(1, "<i1")}))
    data[data.index(b"a\0") + 7] = 99

    with pytest.raises(WeightsError, match="99"):
        read_variables(BytesIO(bytes(data)))


@pytest.fixture(scope="module")
def converted() -> Path:
    if PACKAGES[PACKAGED].files() is None:
        pytest.skip(f"no weight package of {PACKAGED} is installed")
    return find(PACKAGED).folder


@pytest.mark.model
class TestRealPackage:
    def test_it_fills_every_weight_of_the_model_and_no_other(self, converted):
        from transformers import WhisperForConditionalGeneration

        _, report = WhisperForConditionalGeneration.from_pretrained(
            converted, local_files_only=True, output_loading_info=True
        )

        assert not report["missing_keys"]
        assert not report["unexpected_keys"]
        assert not report["mismatched_keys"]

    def test_no_number_changes(self, converted):
        from safetensors.numpy import load_file

        [source] = PACKAGES[PACKAGED].files()
        with source.open("rb") as file:
            before = read_variables(file)

        after = load_file(converted / "model.safetensors")

        np.testing.assert_array_equal(after["model.encoder.conv1.weight"], before["encoder/conv1/weight"])
        stacked = [after[f"model.decoder.layers.2.self_attn.{part}_proj.weight"] for part in "qkv"]
        np.testing.assert_array_equal(np.concatenate(stacked), before["decoder/layer_2/self_attention/linear_0/weight"])
        assert {value.dtype for value in after.values()} == {np.dtype("float16")}

    def test_its_tokenizer_and_features_load(self, converted):
        from transformers import GenerationConfig, WhisperProcessor

        processor = WhisperProcessor.from_pretrained(converted, local_files_only=True)
        generation = GenerationConfig.from_pretrained(converted, local_files_only=True)

        assert processor.feature_extractor.sampling_rate == 16_000
        assert processor.tokenizer.decode(processor.tokenizer(" so it is").input_ids, skip_special_tokens=True) == (
            " so it is"
        )
        assert processor.tokenizer.convert_tokens_to_ids("<|notimestamps|>") == generation.no_timestamps_token_id
        assert generation.is_multilingual is False
