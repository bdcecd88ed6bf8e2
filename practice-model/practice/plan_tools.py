"""The simulated tools of plan mode, and `delegate`."""

from __future__ import annotations

from typing import Any, Mapping

Step = Mapping[str, Any]


class PlanTools:
    """Keeps a plan. Settings: `plan rejected`: what the user says to every plan; `plan unattended`: nobody is there."""

    settings: dict[str, Any]
    plan_steps: tuple[Step, ...] = ()
    #: Of the steps of the plan, by place; `None` while there is no approved plan.
    plan_done: tuple[bool, ...] | None = None

    def tool_plan_propose(self, title: str, steps: list[Step]) -> dict[str, Any]:
        if self.settings.get("plan unattended"):
            return {"ok": False, "error": UNATTENDED}
        feedback = self.settings.get("plan rejected")
        if feedback is not None:
            why = f": {feedback}" if feedback else ""
            return {"ok": False, "error": f"the user has rejected the plan{why}. Propose a changed one"}
        self.plan_steps = tuple(dict(step) for step in steps)
        self.plan_done = tuple(False for _ in steps)
        count = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}"
        return {"ok": True, "output": f"the user has approved the plan ({count}); {self._next_step()}"}

    def tool_plan_complete_step(
        self, step_id: int, verification_notes: str = "", failed: bool = False
    ) -> dict[str, Any]:
        problem = self._find_step_problem(step_id)
        if problem is not None:
            return {"ok": False, "error": problem}
        if failed:
            self.plan_done = None
            return {"ok": True, "output": f"step {step_id} has failed; {REPLAN}"}
        assert self.plan_done is not None
        self.plan_done = tuple(done or index == step_id - 1 for index, done in enumerate(self.plan_done))
        return {"ok": True, "output": f"completed step {step_id}; {self._next_step()}"}

    def _find_step_problem(self, step_id: int) -> str | None:
        if not self.plan_steps or self.plan_done is None:
            return "there is no approved plan; call plan_propose first"
        if all(self.plan_done):
            return "the plan is completed; give your final answer"
        if not 1 <= step_id <= len(self.plan_steps):
            ids = ", ".join(str(number) for number in range(1, len(self.plan_steps) + 1))
            return f"no step {step_id}; there are {ids}. In progress is step {self._describe_current()}"
        if self.plan_done[step_id - 1]:
            return f"step {step_id} is already completed. In progress is step {self._describe_current()}"
        return None

    def _next_step(self) -> str:
        if self.plan_done is None or all(self.plan_done):
            return f"all {len(self.plan_steps)} steps are completed; give your final answer"
        return f"now step {self._describe_current()}; then call plan_complete_step"

    def _describe_current(self) -> str:
        index = (self.plan_done or (False,)).index(False)
        step = self.plan_steps[index]
        verification = step.get("verification")
        return f"{index + 1}. {step['description']}" + (f" (verify: {verification})" if verification else "")

    def tool_delegate(
        self,
        objective: str,
        deliverable_type: str,
        deliverable_path: str,
        deliverable_description: str = "",
        data_hint: str = "",
    ) -> dict[str, Any]:
        """What the helper writes is not simulated."""
        return {"ok": True, "output": f"the helper has finished: {deliverable_path} is written"}


REPLAN = (
    "call plan_propose with the steps that are to be done instead. "
    "Completed steps stay, and nothing is changed before the user has approved"
)
UNATTENDED = (
    "denied: nobody is there to approve the plan, so nothing may be changed. Stop here. "
    "A plan needs somebody who approves it: run it in a terminal, or without `--plan`. "
    "A resumed session asks about it again."
)
