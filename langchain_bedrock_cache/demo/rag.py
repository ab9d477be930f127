"""A RAG chain as one writes it without a thought of caching, and questions to ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_bedrock_cache.demo.documents import Document
from langchain_bedrock_cache.demo.recorder import Recorder
from langchain_bedrock_cache.demo.stage import Stage
from langchain_bedrock_cache.demo.ways import CACHED, NO_CACHING, OWN_CACHING, TRANSFORMER, Way

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

# Smallest first: a live demonstration asks about the first ones only.
QUESTIONS: Mapping[str, Sequence[str]] = {
    "typesseq": (
        "What does a slice with a negative step return?",
        "Why do nested lists made by multiplication share their elements?",
        "Which sequences can be used as keys of a dictionary?",
        "What does extending a range not support?",
    ),
    "formatstrings": (
        "How is a number aligned to the right in ten columns?",
        "What does an exclamation mark in a replacement field do?",
        "How are thousands separated?",
        "What is the difference between the types f and g?",
    ),
    "types": (
        "Which built-in sequences are immutable?",
        "What is a coroutine function?",
        "Which special attributes does a module have?",
        "What does a traceback object hold?",
    ),
    "compound": (
        "When does the else clause of a loop run?",
        "What does a with statement promise about the exit method?",
        "In which order are several decorators of one function applied?",
        "What happens if no case of a match statement matches?",
    ),
}
OWN_QUESTIONS = (
    "What is this document about?",
    "Which terms does it define?",
    "What does it warn of?",
    "Which example does it give?",
)
_OWN_DOCUMENTS = 4
_INSTRUCTIONS = (
    "{label} You answer questions about a document. Be brief. If it does not tell, say so."
)
_SECONDS_TO_READ_THE_ANSWER = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A document and what is asked about it, one question after the other."""

    document: Document
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RagWorkload:
    """Several questions on each of several documents.

    Attributes:
        subjects: The documents and their questions.
        title: Names it.
        why_unread: What to say about a way that writes and never reads.
        ways: What to compare.
    """

    subjects: tuple[Subject, ...]
    title: str = "RAG chain"
    why_unread: str = (
        "The cache point comes after the question, so that each call writes the document again and "
        "no later one finds it."
    )
    ways: tuple[Way, ...] = (NO_CACHING, OWN_CACHING, CACHED, TRANSFORMER)

    @property
    def calls(self) -> int:
        """How many model calls a run makes."""
        return sum(len(subject.questions) for subject in self.subjects)

    @property
    def pace(self) -> str:
        """When the questions come, in simulated time."""
        return (
            f"Documents: {len(self.subjects)}. Questions: {self.calls}, "
            f"{_SECONDS_TO_READ_THE_ANSWER:.0f} seconds apart."
        )

    def run(self, way: Way, model_id: str, stage: Stage, recorder: Recorder) -> None:
        """Ask every question.

        Args:
            way: How the model caches.
            model_id: Which model.
            stage: Where it runs.
            recorder: Gets every call.
        """
        chain = _chain(way.make(model_id, stage, ()))
        for subject in self.subjects:
            for number, question in enumerate(subject.questions, 1):
                values = {
                    "label": stage.label,
                    "document": subject.document.text,
                    "question": question,
                }
                chain.invoke(values, recorder.config)
                recorder.step(subject.document.name, f"question {number}")
                stage.wait(_SECONDS_TO_READ_THE_ANSWER)


def reference_rag(documents: Sequence[Document], *, subjects: int, questions: int) -> RagWorkload:
    """Return questions on topics of Python's language reference.

    Args:
        documents: All its topics.
        subjects: How many topics to ask about, at most 4.
        questions: How many questions to ask about each, at most 4.
    """
    by_name = {document.name: document for document in documents}
    chosen = [Subject(document=by_name[n], questions=tuple(q)) for n, q in QUESTIONS.items()]
    return RagWorkload(subjects=_first(chosen, subjects, questions))


def own_rag(documents: Sequence[Document], *, subjects: int, questions: int) -> RagWorkload:
    """Return questions that can be asked about any documents.

    Args:
        documents: The user's.
        subjects: How many of them to ask about, at most 4.
        questions: How many questions to ask about each, at most 4.
    """
    chosen = [Subject(document=d, questions=OWN_QUESTIONS) for d in documents[:_OWN_DOCUMENTS]]
    return RagWorkload(subjects=_first(chosen, subjects, questions))


def _first(chosen: Sequence[Subject], subjects: int, questions: int) -> tuple[Subject, ...]:
    return tuple(
        Subject(document=s.document, questions=s.questions[:questions]) for s in chosen[:subjects]
    )


def _chain(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    from langchain_core.output_parsers import StrOutputParser  # noqa: PLC0415 - a heavy import
    from langchain_core.prompts import ChatPromptTemplate  # noqa: PLC0415 - as above

    document_and_question: Any = [
        {"type": "text", "text": "{document}"},
        {"type": "text", "text": "{question}"},
    ]
    prompt = ChatPromptTemplate([("system", _INSTRUCTIONS), ("human", document_and_question)])
    return prompt | model | StrOutputParser()
