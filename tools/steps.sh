# steps: what ./dev test and ./dev soak run, in order. Sourced by ./dev, whose step(), suite() and
# skip() run and count them.

suite_seconds=300 stress_repeats=5

# suite_names: every test binary the tree defines, read from the CMake files.
suite_names() {
  find src apps tests -name CMakeLists.txt -exec cat {} + | tr '\n' ' ' | grep -oE 'weft_test\( *[a-z_0-9]+' |
    sed 's/.*( *//' | sort -u
}

# suites_but SUITE...: all but these.
suites_but() { suite_names | grep -vxF "$(printf '%s\n' "$@")"; }

# processors_of SUITE LABEL: the schedulers' suites run on one, two and more processors; in the plain
# runs of a sanitizer on two and more, since one finds little there.
processors_of() {
  case $1:$2 in
    weft_sched_test:[at]san | weft_sync_test:[at]san) echo 2 4 ;;
    weft_sync_test:valgrind) echo 2 ;;
    weft_sched_test:* | weft_sync_test:*) echo 1 2 4 ;;
    *) echo default ;;
  esac
}

# sanitizer_environment PRESET
sanitizer_environment() {
  case $1 in
    asan) echo "ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1" ;;
    tsan | races) echo "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:allow_addr2line=1" ;;
  esac
}

# build_suites PRESET SUITE...: one step, those suites alone; binaries that could not be brought up to
# date are removed, so that a stale one cannot pass.
build_suites() {
  local preset=$1 name="build $1" start=$SECONDS target targets=()
  shift
  configure "$preset" >"$(log_of "$name")" 2>&1 || rm -f "build/$preset/tests.txt"
  for target in "$@"; do
    [ -n "$(binary_of "$preset" "$target")" ] && targets+=("$target")
  done
  if limited 1500 "$(log_of "$name")" ./dev build "$preset" "${targets[@]}"; then
    report "$name" 1 0 $((SECONDS - start))
    return
  fi
  report "$name" 0 1 $((SECONDS - start))
  for target in "$@"; do
    [ "$(ninja -n -C "build/$preset" "$target" 2>/dev/null | tail -n 1)" = "ninja: no work to do." ] ||
      rm -f "$(binary_of "$preset" "$target")"
  done
}

binary_of() { awk -v name="$2" '$1 == name { print $2 }' "build/$1/tests.txt" 2>/dev/null; }

# run_preset PRESET LABEL SUITES [VARIABLE=VALUE... COMMAND...]: builds the preset and runs those of
# SUITES ("all", or names) that the command line selects, with LABEL before each step's name. What
# follows goes before the binary: variables, then perhaps an emulator.
run_preset() {
  local preset=$1 label=$2 names=$3 procs name run binary i wanted=() runs=() extra
  shift 3
  [ "$names" = all ] && names=$(suite_names)
  for name in $names; do
    for procs in $(processors_of "$name" "$label"); do
      run="$label $name"
      [ "$procs" = default ] || run+=" P=$procs"
      selected "$run" && runs+=("$run") && wanted+=("$name $procs")
    done
  done
  [ ${#runs[@]} -gt 0 ] || return 0
  build_suites "$preset" $(printf '%s\n' "${wanted[@]}" | cut -d' ' -f1 | sort -u)
  for i in "${!runs[@]}"; do
    read -r name procs <<<"${wanted[i]}"
    binary=$(binary_of "$preset" "$name")
    if [ -z "$binary" ] && [ -f "build/$preset/tests.txt" ]; then
      skip "${runs[i]}" "its CMakeLists.txt leaves it out of this preset"
      continue
    fi
    extra=($(sanitizer_environment "$preset"))
    [ "$procs" = default ] || extra+=("WEFT_MAXPROCS=$procs")
    suite "${runs[i]}" "$binary" "$suite_seconds" "${extra[@]}" "$@"
  done
}

# conformance PRESET STEP PROCESSORS [VARIABLE=VALUE...]: the scenarios beside what Go says to them.
conformance() {
  local preset=$1 name=$2 processors=$3
  shift 3
  step "build conformance $preset" 900 ./dev build "$preset" weft-conformance
  step "conformance $name" 300 env $(sanitizer_environment "$preset") "$@" tests/conformance/run \
    "build/$preset/tests/conformance/weft-conformance" --procs "$processors"
}

steps_default() {
  step "check" 600 tools/check
  step "check self-test" 300 tools/check --self-test
  step "dev self-test" 300 tests/dev/run
  run_preset release release all
  run_preset release "release migrate,shuffle" "weft_sched_test weft_sync_test" WEFT_TEST_MODE=migrate,shuffle
  run_uring release "release io_uring" weft_net_test
  run_preset asan asan all
  run_preset tsan tsan all
  conformance release release 1,2,8
  conformance tsan "tsan migrate" 2 WEFT_TEST_MODE=migrate
  step "build examples" 600 ./dev build release
  step "examples" 300 tests/examples/run build/release
  step "guide" 600 tests/guide/run build/release
  step "instruction counts" 300 ./dev bench count
  step "bench tool" 120 tests/bench/run build/release
  step "lab" 300 apps/lab/tests/run build/release/apps/lab/weft-lab
  step "irssi and weechat" 600 tests/interop/run build/release/apps/tertulia/tertuliad
  step "install" 900 tests/install/run
}


# test_modes: what forces the rare (docs/guide/start.md, WEFT_TEST_MODE).
test_modes=(migrate yield retake)

steps_all() {
  local mode preset guard guarded="weft_stack_test weft_sched_test weft_sync_test"
  for mode in migrate shuffle; do
    run_preset release "release $mode" "weft_sched_test weft_sync_test" WEFT_TEST_MODE=$mode
  done
  for mode in migrate shuffle migrate,shuffle migrate,retake; do
    for preset in asan tsan; do
      run_preset $preset "$preset $mode" "weft_sched_test weft_sync_test weft_net_test" WEFT_TEST_MODE=$mode
    done
  done
  for mode in "${test_modes[@]}"; do
    run_preset tsan "tsan $mode" "$(suites_but weft_base_test weft_arch_test weft_stack_test)" WEFT_TEST_MODE=$mode
  done
  for preset in release tsan; do
    conformance $preset "$preset migrate P=1,2,8" 1,2,8 WEFT_TEST_MODE=migrate
  done
  run_preset races races "weft_races_test weft_io_test weft_net_test"
  run_preset clang clang all
  step "build everything with clang" 900 ./dev build clang
  step "tidy" 1200 tools/tidy build/clang
  run_preset ucontext ucontext all
  run_preset release poll "$(suites_but weft_base_test weft_arch_test weft_stack_test)" WEFT_POLLER=poll
  run_preset asan "asan poll" "weft_poll_test weft_net_test" WEFT_POLLER=poll
  run_uring release io_uring "$(suites_but weft_base_test weft_arch_test weft_stack_test weft_poll_test)"
  run_uring asan "asan io_uring" "weft_net_test weft_fs_test"
  run_uring tsan "tsan io_uring" "weft_net_test weft_sched_test weft_sync_test weft_fs_test weft_io_test"
  for mode in migrate shuffle yield retake; do
    run_uring tsan "tsan io_uring $mode" weft_net_test WEFT_TEST_MODE=$mode
  done
  for guard in install mprotect canary; do
    if [ $guard = install ] && ! kernel_has_guard_install; then
      skip "guard=install" "Linux $(uname -r) has no MADV_GUARD_INSTALL (6.13 and later have)"
      continue
    fi
    run_preset release "guard=$guard" "$guarded" WEFT_STACK_GUARD=$guard
  done
  # Death tests are processes of their own.
  run_preset release valgrind weft_sync_test "GTEST_FILTER=-*eath*" valgrind --quiet --leak-check=no \
    --error-exitcode=99
  run_preset release "a million" weft_storm_test WEFT_STORM=1000000
  run_preset tsan "migrate,shuffle" weft_storm_test WEFT_TEST_MODE=migrate,shuffle
  steps_aarch64
  steps_portable
  step "lab chat" 300 apps/lab/tests/chat build/release/apps/lab/weft-lab build/release/apps/lab/weft-chat \
    build/release/apps/lab/weft-chat-shared
  steps_libraries
  step "lab matrix" 300 apps/lab/tests/matrix build/release/apps/lab/weft-lab
  step "models" 1800 tests/model/run
  steps_stress
}

# steps_libraries: libraries of others in goroutines, with the servers they need. The sanitizers see what
# these call of libc (memory, locks, threads), not what they do themselves; glibc's resolver guards its
# configuration with locks that tsan does not know.
steps_libraries() {
  local library preset
  for preset in release asan tsan; do
    step "build real libraries $preset" 900 ./dev build "$preset" weft-libraries
    for library in locks resolve zlib sqlite libpq hiredis curl; do
      [ "$preset $library" = "tsan resolve" ] && continue
      step "real libraries $preset $library" 300 env $(sanitizer_environment "$preset") tests/libraries/run \
        "build/$preset" "$library"
    done
  done
}

# steps_aarch64: under qemu-user, on one CPU: of a store-release and a load-acquire behind it, which the
# architecture keeps in order, qemu 7.2 lets an x86 host's store buffer have its way. GoogleTest's death
# tests start their binary anew, which needs the kernel to know what to do with it.
steps_aarch64() {
  local sched_filter=() first_cpu
  first_cpu=$(sed -nE 's/^Cpus_allowed_list:[[:space:]]*([0-9]+).*/\1/p' /proc/self/status)
  local emulator=(taskset -c "$first_cpu" qemu-aarch64 -L /usr/aarch64-linux-gnu)
  if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
    skip "aarch64 weft_sched_test" "its death tests: no binfmt_misc entry for qemu-aarch64"
    sched_filter=(GTEST_FILTER=-*death*)
  fi
  run_preset aarch64 aarch64 "weft_arch_test weft_stack_test" "${emulator[@]}"
  run_preset aarch64 aarch64 weft_sched_test "${sched_filter[@]}" "${emulator[@]}"
}

# steps_portable: what the lab has of POSIX alone, with other compilers and for other CPUs.
steps_portable() {
  local test=apps/lab/tests/portable lab=build/release/apps/lab/weft-lab
  step "build lab" 900 ./dev build release weft-lab
  step "lab portable g++" 300 $test $lab g++
  step "lab portable clang" 300 $test $lab clang++-19
  if [ "$(uname -m)" = x86_64 ]; then
    # gcc-multilib, which would know where the kernel's headers are, cannot be installed beside a cross
    # compiler.
    step "lab portable -m32" 300 $test $lab "g++ -m32 -isystem /usr/include/x86_64-linux-gnu"
  else
    skip "lab portable -m32" "$(uname -m) has no 32-bit x86 beside it"
  fi
  step "lab portable aarch64" 600 $test $lab aarch64-linux-gnu-g++ qemu-aarch64 -L /usr/aarch64-linux-gnu
}

# run_uring PRESET LABEL SUITES [VARIABLE=VALUE...]: as run_preset, with io_uring as the poller. Where
# the kernel refuses it the suites would pass over epoll.
run_uring() {
  if [ "$(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null)" != 0 ]; then
    skip "$2" "Linux $(uname -r) has no io_uring for everybody (kernel.io_uring_disabled)"
    return
  fi
  run_preset "$@" WEFT_POLLER=io_uring
}

kernel_has_guard_install() {
  [ "$(printf '%s\n' 6.13 "$(uname -r)" | sort -V | head -n 1)" = 6.13 ]
}

# steps_stress: the suites with most races in them, many times, in random order, also on more
# processors than there are.
steps_stress() {
  local preset suite_seconds=1200
  for preset in release tsan; do
    run_preset $preset "stress $preset" "weft_sched_test weft_sched_stress_test weft_sync_test weft_net_test" \
      GTEST_REPEAT=$stress_repeats GTEST_SHUFFLE=1
  done
}

# steps_soak UNTIL: the lab's short run, then every suite under release, asan and tsan in random order,
# in one test mode after the other and in all of them at once, until $SECONDS is UNTIL.
steps_soak() {
  local preset mode round=0
  local modes=("" "${test_modes[@]}" "$(IFS=, && echo "${test_modes[*]}")")
  step "build lab" 900 ./dev build release weft-lab weft-chat
  rm -rf build/lab-soak
  step "lab run --quick" 600 build/release/apps/lab/weft-lab run --quick --out build/lab-soak
  while [ "$SECONDS" -lt "$1" ]; do
    mode=${modes[round % ${#modes[@]}]}
    round=$((round + 1))
    for preset in release asan tsan; do
      [ "$SECONDS" -lt "$1" ] || break
      run_preset $preset "soak $round $preset${mode:+ $mode}" all GTEST_SHUFFLE=1 WEFT_TEST_MODE=$mode
    done
  done
}
