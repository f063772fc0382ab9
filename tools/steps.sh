# Visible steps with quiet insides. Sourced by quickstart and others; `log_dir` must be set.

# step TITLE LOG COMMAND...: runs COMMAND with its output in $log_dir/LOG.log. On failure shows the
# end of that file and ends the script.
step() {
  local title=$1 log=$log_dir/$2.log began=$SECONDS
  shift 2
  mkdir -p "$log_dir"
  echo "== $title"
  if "$@" >"$log" 2>&1 </dev/null; then
    echo "   ok, $((SECONDS - began)) s"
    return 0
  fi
  tail -n 40 "$log" >&2
  stop "$title failed. The end of $log stands above; mend what it names and start again."
}

stop() {
  echo "error: $*" >&2
  exit 1
}

# Settings of the person who calls must not change what is shown or tested.
forget_settings() {
  local name
  for name in "${!LARDER_@}"; do unset "$name"; done
}

build_preset() {
  local preset=$1
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" "$@"
}

# ctest, and below its summary what the tests that failed complained of: whoever is shown only the
# end of a log, as of a run elsewhere, has to find it there.
ctest_and_complaints() {
  local preset=$1 status=0
  shift
  ctest --preset "$preset" "$@" || status=$?
  ((status == 0)) && return 0
  grep -hE -A3 ': Failure$|^FAIL|ERROR: .*Sanitizer|runtime error:|^error: ' \
    "build/$preset/Testing/Temporary/LastTest.log" | cut -c1-160 | head -n 12
  return "$status"
}

# ctest_preset PRESET ARGUMENTS...: the tests' summary is worth seeing, also when all is well.
ctest_preset() {
  local preset=$1
  shift
  step "tests ($preset)" "test-$preset" ctest_and_complaints "$preset" \
    -j "$(nproc)" --no-tests=error "$@"
  grep -E 'tests passed|Total Test time' "$log_dir/test-$preset.log" | sed 's/^ */   /'
  # What a test could not do here, with the reason; it says so itself.
  { grep -h '^SKIPPED' "build/$preset/Testing/Temporary/LastTest.log" || true; } | sort -u |
    sed 's/^/   /'
}
