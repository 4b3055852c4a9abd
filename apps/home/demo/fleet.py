"""The demo's fleet: eight agents, what they do in a day, and what goes wrong with them. No Django here."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tool:
    """A tool of an agent: how long a call takes (median, ms), how often it fails, and what it is for."""

    name: str
    median_ms: float
    failure_rate: float
    purpose: str
    risk: str = "low"


@dataclass(frozen=True)
class Profile:
    """How one agent behaves on an ordinary weekday."""

    slug: str
    name: str
    purpose: str
    team: str
    tasks_per_day: int
    models: tuple[tuple[str, str], ...]  # (provider, model), the first one most of the time
    tools: tuple[Tool, ...]
    task_types: tuple[str, ...]
    turns: tuple[int, int]
    input_tokens: int
    output_tokens: int
    model_ms: float
    failure_rate: float
    escalations: dict[str, float] = field(default_factory=dict)
    value_usd: float = 0.0
    evaluated_share: float = 0.0
    judged_success: float = 0.9
    feedback_share: float = 0.0
    versions: tuple[tuple[int, str], ...] = ((45, "1.0.0"),)  # (days ago, version)
    criticality: str = "medium"
    pattern: str = "single"
    framework: str = "langgraph"
    status: str = "production"
    owner: str | None = "max"
    first_day: int = 45
    # The outcome that matters, how often it was reached without the agent, and the target.
    outcome: str = ""
    baseline: str = ""
    target: str = ""
    seconds: int = 30
    cost_limit: str = "0.50"


FLEET = (
    Profile(
        slug="support-agent",
        outcome="answered without a person",
        baseline="58%",
        target="75%",
        name="Support agent",
        purpose="Answers travellers' questions about bookings, luggage and delays, and opens tickets where it cannot.",
        team="Customer care",
        tasks_per_day=70,
        models=(("anthropic", "claude-sonnet-4-5"), ("openai", "gpt-4o-mini")),
        tools=(
            Tool("search_knowledge_base", 180, 0.004, "Find articles of the help centre"),
            Tool("get_booking", 240, 0.006, "Read a booking"),
            Tool("create_ticket", 320, 0.004, "Open a ticket for a colleague", "medium"),
        ),
        task_types=("question", "complaint", "luggage"),
        turns=(1, 3),
        input_tokens=1900,
        output_tokens=210,
        model_ms=2100,
        failure_rate=0.012,
        escalations={"user_request": 0.05, "low_confidence": 0.04},
        value_usd=4.2,
        evaluated_share=0.6,
        judged_success=0.93,
        feedback_share=0.25,
        versions=((45, "3.1.0"), (19, "3.2.0")),
        criticality="high",
    ),
    Profile(
        slug="refund-agent",
        outcome="refunded without a person",
        baseline="41%",
        target="60%",
        name="Refund agent",
        purpose="Checks refund claims against the fare rules and pays them out within its limit.",
        team="Customer care",
        tasks_per_day=22,
        models=(("openai", "gpt-4o"),),
        tools=(
            Tool("get_fare_rules", 150, 0.004, "Read the rules of a fare"),
            Tool("get_payment", 210, 0.005, "Read a payment"),
            Tool("refund_payment", 900, 0.008, "Pay money back", "high"),
        ),
        task_types=("refund",),
        turns=(2, 4),
        input_tokens=2600,
        output_tokens=240,
        model_ms=2300,
        failure_rate=0.015,
        escalations={"approval_required": 0.2, "policy_violation": 0.03},
        value_usd=9.5,
        evaluated_share=0.8,
        judged_success=0.94,
        versions=((45, "1.4.0"), (27, "1.5.0")),
        criticality="critical",
    ),
    Profile(
        slug="booking-agent",
        outcome="booked without a person",
        baseline="52%",
        target="75%",
        seconds=60,
        name="Booking agent",
        purpose="Books, changes and holds seats and rooms for travellers.",
        team="Bookings",
        tasks_per_day=30,
        models=(("anthropic", "claude-sonnet-4-5"),),
        tools=(
            Tool("search_fares", 1400, 0.008, "Search fares"),
            Tool("hold_seat", 1100, 0.01, "Hold a seat for 30 minutes", "medium"),
            Tool("charge_card", 1300, 0.006, "Charge a card", "high"),
        ),
        task_types=("new booking", "change"),
        turns=(2, 5),
        input_tokens=3100,
        output_tokens=330,
        model_ms=2900,
        failure_rate=0.02,
        escalations={"approval_required": 0.08, "low_confidence": 0.05},
        value_usd=11.0,
        evaluated_share=0.7,
        judged_success=0.92,
        feedback_share=0.1,
        # 2.2.0 is the bad deployment: seats are held with a time limit that is too short.
        versions=((45, "2.0.0"), (24, "2.1.0"), (6, "2.2.0")),
        criticality="critical",
        pattern="supervisor",
    ),
    Profile(
        slug="itinerary-planner",
        outcome="itinerary accepted",
        baseline="61%",
        target="70%",
        seconds=120,
        name="Itinerary planner",
        purpose="Puts together multi-day itineraries from a traveller's wishes.",
        team="Bookings",
        tasks_per_day=14,
        models=(("google", "gemini-2.5-pro"),),
        tools=(
            Tool("search_hotels", 1600, 0.01, "Search hotels"),
            Tool("get_weather", 300, 0.006, "Read a forecast"),
            Tool("draw_map", 700, 0.004, "Draw a route"),
        ),
        task_types=("itinerary",),
        turns=(3, 6),
        input_tokens=4200,
        output_tokens=900,
        model_ms=5200,
        failure_rate=0.02,
        escalations={"low_confidence": 0.07},
        value_usd=6.0,
        evaluated_share=0.4,
        judged_success=0.89,
        versions=((45, "0.9.0"), (31, "1.0.0")),
    ),
    Profile(
        slug="fraud-screener",
        outcome="rated without a person",
        baseline="80%",
        target="90%",
        seconds=10,
        cost_limit="0.05",
        name="Fraud screener",
        purpose="Rates payments by their risk before they are captured.",
        team="Payments",
        tasks_per_day=46,
        models=(("openai", "gpt-4o-mini"),),
        tools=(
            Tool("get_payment_history", 160, 0.003, "Read earlier payments"),
            Tool("score_device", 120, 0.003, "Rate"),
        ),
        task_types=("screening",),
        turns=(1, 2),
        input_tokens=1200,
        output_tokens=90,
        model_ms=900,
        failure_rate=0.008,
        escalations={"policy_violation": 0.06, "low_confidence": 0.03},
        value_usd=1.1,
        evaluated_share=0.9,
        judged_success=0.95,
        versions=((45, "5.0.1"),),
        criticality="critical",
    ),
    Profile(
        slug="invoice-matcher",
        outcome="matched without a person",
        baseline="64%",
        target="85%",
        seconds=300,
        name="Invoice matcher",
        purpose="Matches suppliers' invoices with bookings at night.",
        team="Finance",
        tasks_per_day=16,
        models=(("openai", "gpt-4o-mini"),),
        tools=(
            Tool("read_invoice", 1900, 0.012, "Read a scanned invoice"),
            Tool("post_ledger", 260, 0.006, "Post", "high"),
        ),
        task_types=("invoice",),
        turns=(1, 3),
        input_tokens=2200,
        output_tokens=160,
        model_ms=1300,
        failure_rate=0.02,
        escalations={"error": 0.03, "approval_required": 0.07},
        value_usd=2.6,
        evaluated_share=1.0,
        judged_success=0.96,
        versions=((45, "1.1.0"),),
        framework="custom",
        owner=None,
    ),
    Profile(
        slug="research-assistant",
        outcome="briefing used",
        baseline="50%",
        target="65%",
        seconds=300,
        cost_limit="2.00",
        name="Research assistant",
        purpose="Collects what is known about destinations and competitors for the product team.",
        team="Market insight",
        tasks_per_day=10,
        models=(("anthropic", "claude-opus-4-1"), ("anthropic", "claude-sonnet-4-5")),
        tools=(Tool("web_search", 1200, 0.015, "Search the web"), Tool("read_page", 900, 0.02, "Read a page")),
        task_types=("briefing",),
        turns=(3, 7),
        input_tokens=5200,
        output_tokens=700,
        model_ms=6500,
        failure_rate=0.025,
        escalations={"low_confidence": 0.05},
        value_usd=14.0,
        evaluated_share=0.3,
        judged_success=0.88,
        # From 1.3.0 on it reads whole pages instead of summaries: the cost of a task grows.
        versions=((45, "1.2.0"), (6, "1.3.0")),
        criticality="low",
        pattern="supervisor",
    ),
    Profile(
        slug="visa-checker",
        outcome="answered without a person",
        baseline="70%",
        target="85%",
        name="Visa checker",
        purpose="Tells travellers which visa a journey needs.",
        team="Bookings",
        tasks_per_day=5,
        models=(("acme", "acme-visa-7b"),),
        tools=(Tool("get_entry_rules", 400, 0.01, "Read entry rules"),),
        task_types=("visa",),
        turns=(1, 2),
        input_tokens=1500,
        output_tokens=180,
        model_ms=1500,
        failure_rate=0.03,
        escalations={"low_confidence": 0.1},
        versions=((12, "0.1.0"),),
        status="pilot",
        criticality="low",
        first_day=12,
    ),
)

# Reports since yesterday and was never registered.
STRANGER = Profile(
    slug="pricing-experiments",
    name="pricing-experiments",
    purpose="",
    team="",
    tasks_per_day=40,
    models=(("openai", "gpt-4o"),),
    tools=(Tool("read_competitor_prices", 800, 0.02, "Read prices"),),
    task_types=("experiment",),
    turns=(1, 3),
    input_tokens=1800,
    output_tokens=300,
    model_ms=2400,
    failure_rate=0.04,
    first_day=1,
    versions=((1, "dev"),),
    owner=None,
)
