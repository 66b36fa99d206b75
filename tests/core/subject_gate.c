/* subject_gate.c: operations that use something, and others that close the gate to it. */
#include "ax_gate.h"
#include "subject.h"

enum { USE = FIRST_KIND, RELEASE, RASH_RELEASE, KINDS };

static const char *const kinds[KINDS] = {
    [LOAD] = "is open", [USE] = "use", [RELEASE] = "release", [RASH_RELEASE] = "rash release"};

static ax_word gate;

static struct {
    int inside, given_back;
} ghost;

static void reset(const Script *script)
{
    (void)script;
    explorer_name(&gate, "the gate");
    ax_word_store(&gate, 0);
    explorer_require(!ax_gate_is_open(&gate) && !ax_gate_enter(&gate), "a new gate is open");
    explorer_require(ax_gate_claim(&gate) && !ax_gate_claim(&gate), "not one caller claimed the gate");
    ax_gate_open(&gate);
    ghost.inside = ghost.given_back = 0;
}

static void give_back(void)
{
    explorer_require(ghost.inside == 0, "given back while somebody is inside");
    explorer_require(ghost.given_back == 0, "given back twice");
    ghost.given_back++;
}

static bool use(void)
{
    if (!ax_gate_enter(&gate)) {
        return false;
    }
    explorer_require(ghost.given_back == 0, "let in after it was given back");
    ghost.inside++;
    bool last = ax_gate_leave(&gate);
    ghost.inside--;
    if (last) {
        give_back();
    }
    return true;
}

static bool release(bool rash)
{
    if (!ax_gate_close(&gate)) {
        return false;
    }
    if (ax_gate_settle(&gate) || rash) {
        give_back();
    }
    return true;
}

static void perform(const Call *call)
{
    Outcome outcome = {.ok = true};
    int id = subject_begin(call);
    switch (call->kind) {
    case LOAD:
        outcome.ok = ax_gate_is_open(&gate);
        break;
    case USE:
        outcome.ok = use();
        break;
    default:
        outcome.ok = release(call->kind == RASH_RELEASE);
    }
    subject_end(id, outcome);
}

/* The state is whether the gate is open. */
static Outcome model(int64_t *state, const Call *call)
{
    Outcome outcome = {.ok = *state != 0};
    if (call->kind == RELEASE || call->kind == RASH_RELEASE) {
        *state = 0;
    }
    return outcome;
}

static void finish(const Script *script)
{
    (void)script;
    bool open = ax_gate_is_open(&gate);
    subject_linearizable(&gate_subject, 1, open);
    explorer_require(ax_gate_is_empty(&gate), "somebody is counted inside, and nobody is there");
    explorer_require(ghost.given_back == !open,
                     open ? "given back, and open" : "closed, and never given back");
    explorer_require(ax_gate_abandon(&gate) == open, "at the end it is given back again, or not at all");
}

static const Script scripts[] = {
    {"the last one out gives back", {{{USE}, {USE}}, {{RELEASE}}, {{USE}}}},
    {"one of two releases closes", {{{USE}}, {{RELEASE}}, {{RELEASE}, {USE}}}},
    {"three users", {{{USE}}, {{USE}}, {{USE}}, {{RELEASE}}}, .preemptions = 3},
    {"nobody releases", {{{USE}, {USE}}, {{USE}, {LOAD}}}},
    {"what is closed stays closed", {{{USE}, {LOAD}}, {{RELEASE}, {USE}, {RELEASE}}, {{LOAD}}}},
    {"control: gives back without a look", {{{USE}}, {{RASH_RELEASE}}}, .fails = "while somebody is inside"},
};

const Subject gate_subject = {
    .name = "gate",
    .kinds = kinds,
    .reset = reset,
    .perform = perform,
    .model = model,
    .finish = finish,
    .ghost = &ghost,
    .ghost_size = sizeof ghost,
    .scripts = scripts,
    .count = sizeof scripts / sizeof *scripts,
};
