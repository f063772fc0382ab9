// The verbs. Each returns the program's exit status, and has then said on standard error why, when
// it is not 0.
#ifndef LARDER_CLI_COMMANDS_COMMANDS_H_
#define LARDER_CLI_COMMANDS_COMMANDS_H_

#include "context.h"
#include "options.h"

namespace larder::cli {

int run_put(const Context& context);
int run_get(const Context& context);
int run_exists(const Context& context);
int run_rm(const Context& context);
int run_flush(const Context& context);
int run_list(const Context& context);
int run_inspect(const Context& context);
int run_explain(const Context& context);
int run_diff(const Context& context);
int run_once(const Context& context);
int run_merge(const Context& context);
int run_stats(const Context& context);
int run_zero_stats(const Context& context);
int run_verify(const Context& context);
int run_prune(const Context& context);
int run_clear(const Context& context);
int run_config(const Context& context);
int run_doctor(const Context& context);
int run_push(const Context& context);
int run_pull(const Context& context);
int run_prewarm(const Context& context);

// Where the settings cannot be had: tells which check failed.
int run_doctor_without(const Options& options, const Error& settings_error);

// These need no store and no settings.
int run_fingerprint(const Options& options);
int run_key(const Options& options);

}  // namespace larder::cli

#endif  // LARDER_CLI_COMMANDS_COMMANDS_H_
