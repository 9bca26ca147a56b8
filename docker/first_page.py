"""Ask a server for its first page as a browser does: ``python docker/first_page.py URL``; fails where that fails."""

import sys
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol


def titles(url: str, page: str = "", seconds: float = 120) -> list[str]:
    """The headings of a page, in the order in which they came.

    Raises:
        RuntimeError: If the page failed.
    """
    ask, found, end = BackMsg(), [], time.monotonic() + seconds
    ask.rerun_script.page_name = page
    protocols = [Subprotocol("streamlit")]
    with connect(f"{url.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=protocols, max_size=None) as socket:
        socket.send(ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(socket.recv(timeout=max(0.1, end - time.monotonic())))
            element = message.delta.new_element
            if element.WhichOneof("type") == "heading":
                found.append(element.heading.body)
            if element.WhichOneof("type") == "exception":
                raise RuntimeError(element.exception.message)
            if message.WhichOneof("type") == "script_finished":
                return found


if __name__ == "__main__":
    print(f"first page: {', '.join(titles(sys.argv[1]))}")
