"""Find and call the handler that answers a CALL of the CSMS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ocpp.exceptions import InternalError, OCPPError, SecurityError
from ocpp.exceptions import NotImplementedError as NotImplementedFault

from simulator.schemas import violation
from simulator.wire.link import NotAnswered, Payload, Reply

type Handler = Callable[[Payload], Reply]


def answers[F: Callable[..., Reply]](*actions: str) -> Callable[[F], F]:
    """Mark a method `(payload) -> Reply` as the handler of these actions."""

    def mark(function: F) -> F:
        function.__dict__["answers"] = actions
        return function

    return mark


def routes(*parts: object) -> dict[str, Handler]:
    """Return the marked methods of some objects by action; a later object overrides an earlier one."""
    found: dict[str, Handler] = {}
    for part in parts:
        for name in dir(type(part)):
            method = getattr(type(part), name)
            for action in getattr(method, "answers", ()):
                found[action] = getattr(part, name)
    return found


class Answering:
    """Answer the CALLs of the CSMS, and remember their actions.

    Args:
        version: the OCPP version.
        registration: returns the status of the last boot: "Accepted", "Pending", "Rejected", or "None" without a boot.
        failed: is called with an unexpected exception of a handler.
        log: gets one line for each CALL.
    """

    def __init__(
        self,
        version: str,
        registration: Callable[[], str],
        failed: Callable[[BaseException], None],
        log: Callable[[str], None],
    ) -> None:
        self.routes: dict[str, Handler] = {}
        self.served: list[str] = []
        """The actions of the answered CALLs, in order."""
        self._version, self._registration, self._failed, self._log = version, registration, failed, log
        self._served_more = asyncio.Event()

    def answer(self, action: str, payload: Payload) -> Reply:
        """Return the answer to a CALL.

        Raises:
            OCPPError: the CALLERROR to answer with.
            NotAnswered: there is no answer.
        """
        if self._registration() == "Rejected":
            self._log(f"CSMS sends {action} although it rejected the boot")
            if self._version == "1.6":
                raise NotAnswered  # 1.6, 4.2
            raise SecurityError(description="the CSMS rejected this charging station's boot")  # B03.FR.08
        handler = self.routes.get(action)
        if handler is None:
            raise NotImplementedFault(description=f"OCPP {self._version}: unknown action {action} from a CSMS"[:255])
        if fault := violation("request", action, payload, self._version):
            raise fault
        try:
            reply = handler(payload)
        except OCPPError:
            raise
        except Exception as bug:
            # After an internal error of the simulator, answer the CSMS too and keep the connection.
            self._failed(bug)
            raise InternalError(description=f"{type(bug).__name__}: {bug}"[:255]) from bug
        status = reply.payload.get("status")
        self._log(f"CSMS sends {action}" + (f": {status}" if isinstance(status, str) else ""))
        self.served.append(action)
        self._served_more.set()
        return reply

    async def until_served(self, action: str, skip: int) -> None:
        """Wait for a CALL of an action, other than the first `skip` CALLs."""
        while action not in self.served[skip:]:
            self._served_more.clear()
            await self._served_more.wait()
