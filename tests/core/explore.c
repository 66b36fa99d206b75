/* explore.c: the command line. Runs the scripts of every subject and reports what was covered.
 *
 *   explore [--deep] [--only TEXT] [--self-test] [--fail-fast] [--list]
 *
 * --deep adds the long scripts; --only selects those whose "subject: name" contains the text. --self-test
 * runs the small scripts with and without the cache of states, and compares the sets of final states. Status
 * 0: every script ran completely and passed, and every control failed. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "subject.h"

static const Subject *const subjects[] = {
    &int_subject,  &float_subject, &ref_subject,     &counter_subject, &buckets_subject,
    &gate_subject, &table_subject, &entries_subject, &segment_subject,
};

enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static const Explorer cached = {.cache = true, .max_executions = 400000000};
static const Explorer uncached = {.cache = false, .max_executions = 20000};

typedef struct {
    bool deep, self_test, fail_fast, list;
    const char *only;
} Options;

static Options options;
static uint64_t all_executions;
static int scripts_run, failures;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool wanted(const Subject *subject, const Script *script)
{
    char name[200];
    snprintf(name, sizeof name, "%s: %s", subject->name, script->name);
    return (options.only == NULL || strstr(name, options.only) != NULL) && (options.deep || !script->deep);
}

static void failed(const Subject *subject, const Script *script, const char *why)
{
    failures++;
    printf("FAILED %s: %s\n  %s\n", subject->name, script->name, why);
    if (options.fail_fast) {
        exit(1);
    }
}

/* Fails unless the script passed completely or, if it is a control, failed as it must. */
static void judge(const Subject *subject, const Script *script, const ExplorerResult *result)
{
    if (script->fails != NULL) {
        if (!result->failed || strstr(result->failure, script->fails) == NULL) {
            failed(subject, script,
                   result->failed ? result->failure : "this control passed: a check is blind");
        }
    } else if (result->failed) {
        failed(subject, script, result->failure);
    } else if (!result->complete) {
        failed(subject, script, "capped before every schedule was covered");
    }
}

static void report(const Subject *subject, const Script *script, const ExplorerResult *result, double took)
{
    char bound[40] = "complete";
    if (script->preemptions != 0) {
        snprintf(bound, sizeof bound, "complete up to %d preemptions", script->preemptions);
    }
    printf("%-8s %-62s %9llu executions %8llu states %7llu outcomes, longest %3d, %s, %.2f s\n",
           subject->name, script->name, (unsigned long long)result->executions,
           (unsigned long long)result->states, (unsigned long long)result->outcomes, result->longest,
           result->failed     ? "fails"
           : result->complete ? bound
                              : "CAPPED",
           took);
    fflush(stdout);
    all_executions += result->executions;
    scripts_run++;
}

static void run(const Subject *subject, const Script *script)
{
    static ExplorerResult result;
    if (!wanted(subject, script)) {
        return;
    }
    if (options.list) {
        printf("%s: %s\n", subject->name, script->name);
        return;
    }
    double start = seconds();
    subject_explore(subject, script, cached, &result);
    report(subject, script, &result, seconds() - start);
    judge(subject, script, &result);
}

/* All pairs of integer operations, reported as one. */
static void run_pairs(void)
{
    static ExplorerResult result;
    ExplorerResult sum = {.complete = true};
    Script script;
    double start = seconds();
    for (size_t i = 0; int_pair(i, &script); i++) {
        if (!wanted(&int_subject, &script)) {
            return;
        }
        if (options.list) {
            printf("int: %s\n", script.name);
            return;
        }
        subject_explore(&int_subject, &script, cached, &result);
        judge(&int_subject, &script, &result);
        sum.executions += result.executions;
        sum.states += result.states;
        sum.outcomes += result.outcomes;
        sum.longest = result.longest > sum.longest ? result.longest : sum.longest;
        sum.complete = sum.complete && result.complete;
        sum.failed = sum.failed || result.failed;
        if (result.failed) {
            break;
        }
    }
    report(&int_subject, &script, &sum, seconds() - start);
}

/* The cache must change how fast final states are found, not which: true if it could be compared. */
static bool self_test(const Subject *subject, const Script *script)
{
    static ExplorerResult with, without;
    if (script->fails != NULL || script->preemptions != 0 || !wanted(subject, script)) {
        return false;
    }
    subject_explore(subject, script, uncached, &without);
    if (!without.complete) {
        return false;
    }
    subject_explore(subject, script, cached, &with);
    printf("%-8s %-62s %9llu executions, %llu with the cache, outcomes %llu and %llu\n", subject->name,
           script->name, (unsigned long long)without.executions, (unsigned long long)with.executions,
           (unsigned long long)without.outcomes, (unsigned long long)with.outcomes);
    if (with.digest != without.digest || with.outcomes != without.outcomes) {
        failed(subject, script, "the cache of states changes the outcomes");
    }
    return true;
}

static void usage(void)
{
    fprintf(stderr, "usage: explore [--deep] [--only TEXT] [--self-test] [--fail-fast] [--list]\n");
    exit(2);
}

static void parse(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--deep") == 0) {
            options.deep = true;
        } else if (strcmp(arguments[i], "--self-test") == 0) {
            options.self_test = true;
        } else if (strcmp(arguments[i], "--fail-fast") == 0) {
            options.fail_fast = true;
        } else if (strcmp(arguments[i], "--list") == 0) {
            options.list = true;
        } else if (strcmp(arguments[i], "--only") == 0 && i + 1 < count) {
            options.only = arguments[++i];
        } else {
            usage();
        }
    }
}

int main(int count, char **arguments)
{
    parse(count, arguments);
    double start = seconds();
    int compared = 0;
    for (size_t i = 0; i < SUBJECTS; i++) {
        for (size_t j = 0; j < subjects[i]->count; j++) {
            const Script *script = &subjects[i]->scripts[j];
            if (options.self_test) {
                compared += self_test(subjects[i], script);
            } else {
                run(subjects[i], script);
            }
        }
    }
    if (options.list) {
        run_pairs();
        return 0;
    }
    if (options.self_test) {
        printf("%d scripts compared with and without the cache, %d failures, %.1f s\n", compared, failures,
               seconds() - start);
        return failures != 0 || compared == 0;
    }
    run_pairs();
    printf("%d scripts, %llu executions, %d failures, %.1f s\n", scripts_run,
           (unsigned long long)all_executions, failures, seconds() - start);
    return failures != 0 || scripts_run == 0;
}
