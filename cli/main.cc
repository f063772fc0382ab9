#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "commands/commands.h"
#include "context.h"
#include "exit_code.h"
#include "options.h"

namespace larder::cli {
namespace {

struct Verb {
  std::string_view name;
  int (*run)(const Context&);
};

constexpr Verb verbs[] = {
    {"put", run_put},
    {"get", run_get},
    {"exists", run_exists},
    {"rm", run_rm},
    {"flush", run_flush},
    {"list", run_list},
    {"inspect", run_inspect},
    {"explain", run_explain},
    {"diff", run_diff},
    {"once", run_once},
    {"merge", run_merge},
    {"stats", run_stats},
    {"zero-stats", run_zero_stats},
    {"verify", run_verify},
    {"prune", run_prune},
    {"clear", run_clear},
    {"config", run_config},
    {"doctor", run_doctor},
    {"push", run_push},
    {"pull", run_pull},
    {"prewarm", run_prewarm},
};

int run(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (const ExitCode* code = std::get_if<ExitCode>(&parsed)) return *code;
  auto& options = std::get<Options>(parsed);
  if (options.verb == "fingerprint") return run_fingerprint(options);
  if (options.verb == "key") return run_key(options);

  const auto verb = std::ranges::find(verbs, options.verb, &Verb::name);
  if (verb == std::end(verbs)) return fail(exit_usage, "unknown verb; see `larder --help`");
  auto context = make_context(options);
  if (!context && options.verb == "doctor") return run_doctor_without(options, context.error());
  if (!context) return fail(context.error());
  return verb->run(*context);
}

// Where standard streams are closed, the first files that are opened would take their numbers, and
// messages would end up inside an entry. What stands in for them fails as a closed one does.
void occupy_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    const int useless = number == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", useless) != number) std::exit(exit_refused);
  }
}

// A full disk behind a redirected standard output must not look like success.
int finish(int code) {
  const int os_error = std::fflush(stdout) == 0 ? 0 : errno;
  if (os_error == 0 && std::ferror(stdout) == 0) return code;
  const std::string why = os_error == 0 ? "" : std::string(": ") + std::strerror(os_error);
  const int refused = fail(exit_refused, "standard output cannot be written" + why);
  return code == exit_ok ? refused : code;
}

}  // namespace
}  // namespace larder::cli

int main(int argc, char** argv) {
  try {
    larder::cli::occupy_standard_streams();
    return larder::cli::finish(larder::cli::run(argc, argv));
  } catch (const std::exception& error) {
    return larder::cli::fail(larder::cli::exit_refused, error.what());
  }
}
