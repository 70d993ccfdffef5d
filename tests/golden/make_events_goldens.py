#!/usr/bin/env python3
"""Writes tests/golden/train/events.tfevents: the records that TensorBoard's own writer makes of a few events.

    pip install tensorboard && python3 make_events_goldens.py [OUT_FILE]
"""
import pathlib
import sys

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "train" / "events.tfevents"


def scalars(**values):
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag.replace("_", "/"), simple_value=value)
                                      for tag, value in values.items()])


def text(tag, content):
    tensor = tensor_pb2.TensorProto(dtype=7, string_val=[content.encode()], tensor_shape=tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]))
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])


EVENTS = [
    event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2"),
    event_pb2.Event(wall_time=1700000001.5, step=301, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
    event_pb2.Event(wall_time=1700000002.0, step=301, summary=scalars(train_loss=2.3125, train_rate=-1e-3)),
    event_pb2.Event(wall_time=1700000003.0, step=70000, summary=text("recipe", "steps: 5\n")),
]
with open(OUT, "wb") as file:
    writer = RecordWriter(file)
    for event in EVENTS:
        writer.write(event.SerializeToString())
    writer.flush()
