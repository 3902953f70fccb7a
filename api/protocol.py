"""HTTP as uvicorn speaks it, with the envelope for what never becomes a request.

`uvicorn api:app --http api.protocol:Protocol`
"""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems import envelope
from api.request_ids import REQUEST_ID, new_request_id


class Protocol(H11Protocol):
    """uvicorn's, but for its answer to malformed HTTP, which would be plain text without an id."""

    def send_400_response(self, msg: str) -> None:
        """The answer to a head or a chunk that is no HTTP. The connection ends with it."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer is on its way, or was given
            self.transport.close()
            return
        answer = envelope(400, msg, headers={REQUEST_ID: new_request_id(), "connection": "close"})
        head = h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request")
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
