"""Copies of model directories whose function is that of the original, for measurements: in F32, decoded, with outliers.

Python's standard library alone. The formats of codes are those of compressed-tensors that a decoded copy needs: INT8 and
E4M3 with a scale a row, a group of a row or a block.
"""
import array
import json
import math
import pathlib
import random
import shutil
import struct

WIDTHS = {"F32": 4, "BF16": 2, "F16": 2, "I8": 1, "F8_E4M3": 1}


def e4m3(code):
    exponent, mantissa = code >> 3 & 15, code & 7
    if exponent == 15 and mantissa == 7:
        return math.nan
    value = math.ldexp(8 + mantissa, exponent - 10) if exponent else math.ldexp(mantissa, -9)
    return -value if code & 128 else value


VALUES = {"I8": [code - 256 if code > 127 else code for code in range(256)], "F8_E4M3": [e4m3(code) for code in range(256)]}


def read_tensors(directory):
    """{name: (dtype, shape, bytes)} of all safetensors files of a directory."""
    tensors = {}
    for file in sorted(pathlib.Path(directory).glob("*.safetensors")):
        data = file.read_bytes()
        begin = 8 + struct.unpack_from("<Q", data)[0]
        for name, entry in json.loads(data[8:begin]).items():
            if name != "__metadata__":
                first, last = entry["data_offsets"]
                tensors[name] = entry["dtype"], entry["shape"], memoryview(data)[begin + first:begin + last]
    return tensors


def floats(dtype, data):
    """The numbers as an array of F32."""
    if dtype == "BF16":
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        return array.array("f", bytes(wide))
    if dtype == "F16":
        return array.array("f", struct.unpack(f"<{len(data) // 2}e", data))
    if dtype == "F32":
        return array.array("f", bytes(data))
    raise ValueError(f"{dtype} is no format of floating-point weights")


def decoded(dtype, shape, data, scale_shape, scales):
    """Codes [N,K] times their scales [N,K/group] or [N/128,K/128], the last of which may cover less."""
    rows, columns = shape
    scale_rows, scale_columns = (*scale_shape, 1)[:2]
    height = 1 if scale_rows == rows else 128
    width = columns if scale_columns == 1 else 128 if height > 1 else columns // scale_columns
    out, data, values = array.array("f"), bytes(data), VALUES[dtype]
    for row in range(rows):
        for at in range(0, columns, width):
            scale = scales[row // height * scale_columns + at // width]
            table = [scale * value for value in values]
            first = row * columns + at
            out.extend(map(table.__getitem__, data[first:first + min(width, columns - at)]))
    return out


def float_tensors(directory):
    """{name: (shape, F32)}; codes become the weights that they stand for."""
    tensors = read_tensors(directory)
    scales = {name for name in tensors if name.endswith(".weight_scale")}
    result = {}
    for name, (dtype, shape, data) in tensors.items():
        if name in scales:
            continue
        if dtype in VALUES:
            scale_dtype, scale_shape, scale_data = tensors[f"{name}_scale"]
            result[name] = shape, decoded(dtype, shape, data, scale_shape, floats(scale_dtype, scale_data))
        else:
            result[name] = shape, floats(dtype, data)
    return result


def write_model(source, target, tensors):
    """The directory `source` with these tensors in F32, and no quantization."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix in (".json", ".jinja", ".model") and file.name not in ("octet.json", "model.safetensors.index.json"):
            shutil.copyfile(file, target / file.name)
    config = json.loads((source / "config.json").read_text())
    config.pop("quantization_config", None)
    config.update({key: "float32" for key in ("torch_dtype", "dtype") if key in config})
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    header, at = {}, 0
    for name, (shape, numbers) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(numbers)]}
        at += 4 * len(numbers)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(target / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for _, numbers in tensors.values():
            file.write(numbers.tobytes())


def write_float_copy(source, target):
    """The same weights in F32, so that the arithmetic of BF16 adds nothing to what is measured."""
    write_model(source, target, float_tensors(source))


class Outliers:
    """Makes channels larger and the columns that read them smaller, so that the function stays."""

    def __init__(self, tensors):
        self.tensors = tensors

    def multiply(self, name, row, factor):
        """A row of a matrix, or a number of a norm or bias."""
        shape, numbers = self.tensors[name]
        width = math.prod(shape[1:])
        for i in range(row * width, (row + 1) * width):
            numbers[i] *= factor

    def rescale(self, producer, row, readers, factor):
        self.multiply(f"{producer}.weight", row, factor)
        if f"{producer}.bias" in self.tensors:
            self.multiply(f"{producer}.bias", row, factor)
        for reader, column in readers:
            shape, numbers = self.tensors[f"{reader}.weight"]
            for i in range(column, len(numbers), shape[1]):
                numbers[i] /= factor


def write_with_outliers(source, target, seed=1, channels=3, factors=(30, 100)):
    """In every layer some channels of each norm, rows of v_proj and rows of up_proj times 30 to 100, in F32."""
    tensors, config = float_tensors(source), json.loads((pathlib.Path(source) / "config.json").read_text())
    heads = config["num_attention_heads"]
    group = heads // config.get("num_key_value_heads", heads)
    outliers, draw = Outliers(tensors), random.Random(seed)
    for layer in range(config["num_hidden_layers"]):
        attention, mlp = f"model.layers.{layer}.self_attn.", f"model.layers.{layer}.mlp."
        rows = lambda name: draw.sample(range(tensors[f"{name}.weight"][0][0]), channels)
        behind = {"input_layernorm": [attention + name for name in ("q_proj", "k_proj", "v_proj")],
                  "post_attention_layernorm": [mlp + name for name in ("gate_proj", "up_proj")]}
        for norm, readers in behind.items():
            norm = f"model.layers.{layer}.{norm}"
            for row in rows(norm):
                outliers.rescale(norm, row, [(reader, row) for reader in readers], draw.uniform(*factors))
        size = config.get("head_dim") or config["hidden_size"] // heads
        for row in rows(attention + "v_proj"):
            columns = [(row // size * group + head) * size + row % size for head in range(group)]
            outliers.rescale(attention + "v_proj", row, [(attention + "o_proj", column) for column in columns],
                             draw.uniform(*factors))
        for row in rows(mlp + "up_proj"):
            outliers.rescale(mlp + "up_proj", row, [(mlp + "down_proj", row)], draw.uniform(*factors))
    write_model(source, target, tensors)
