# The build's own vocabulary: weft_sources(), weft_test(), and the two interface targets they use.
include(CheckCXXCompilerFlag)

# Options that user code has to be compiled with as well.
set(WEFT_PUBLIC_OPTIONS "")
check_cxx_compiler_flag(-fstack-clash-protection WEFT_HAS_STACK_CLASH_PROTECTION)
if(WEFT_HAS_STACK_CLASH_PROTECTION)
  list(APPEND WEFT_PUBLIC_OPTIONS -fstack-clash-protection)
endif()

set(WEFT_SANITIZE_OPTIONS "")
if(WEFT_SANITIZE STREQUAL "address")
  set(WEFT_SANITIZE_OPTIONS -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(WEFT_SANITIZE MATCHES "^(thread|races)$")
  set(WEFT_SANITIZE_OPTIONS -fsanitize=thread)
  if(WEFT_SANITIZE STREQUAL "races" AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "WEFT_SANITIZE=races wants clang (-DCMAKE_CXX_COMPILER=clang++-19)")
  endif()
elseif(WEFT_SANITIZE)
  message(FATAL_ERROR "WEFT_SANITIZE is '${WEFT_SANITIZE}': use address, thread, races or nothing")
endif()
if(NOT WEFT_SWITCH MATCHES "^(asm|ucontext)$")
  message(FATAL_ERROR "WEFT_SWITCH is '${WEFT_SWITCH}': use asm or ucontext")
endif()
list(APPEND WEFT_PUBLIC_OPTIONS ${WEFT_SANITIZE_OPTIONS})

# GCC's libbacktrace, which g++ brings along, names functions and lines in dumps; without it files
# and offsets have to do. Other compilers find the library, and not its header.
set(WEFT_SYMBOLS_SOURCE symbols_none.cc)
set(WEFT_SYMBOLS_LIBRARY "")
execute_process(
  COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libbacktrace.a
  OUTPUT_VARIABLE WEFT_BACKTRACE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
get_filename_component(WEFT_BACKTRACE_DIRECTORY "${WEFT_BACKTRACE}" DIRECTORY)
set(WEFT_BACKTRACE_HEADER ${WEFT_BACKTRACE_DIRECTORY}/include/backtrace.h)
if(EXISTS "${WEFT_BACKTRACE}" AND EXISTS "${WEFT_BACKTRACE_HEADER}")
  set(WEFT_SYMBOLS_SOURCE symbols_libbacktrace.cc)
  set(WEFT_SYMBOLS_LIBRARY backtrace)
  configure_file(${WEFT_BACKTRACE_HEADER} ${PROJECT_BINARY_DIR}/libbacktrace/backtrace.h COPYONLY)
endif()

# weft_flags: how everything in this repository is compiled. Warnings are errors here, but not for
# whoever builds weft inside a project of their own with another compiler.
add_library(weft_flags INTERFACE)
target_compile_features(weft_flags INTERFACE cxx_std_23)
target_compile_options(
  weft_flags INTERFACE -fno-omit-frame-pointer
                       $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wconversion>)
# g++ 12 sees overlapping copies in std::string's own code at -O3 (GCC bug 105329, fixed in 13).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(weft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(PROJECT_IS_TOP_LEVEL)
  target_compile_options(weft_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()

# weft_internal: what the library's own sources and their tests see: src/, and the checks of lock
# ranks, which change inline code and so must agree between the two.
add_library(weft_internal INTERFACE)
target_include_directories(weft_internal INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(
  weft_internal INTERFACE $<$<OR:$<CONFIG:Debug>,$<BOOL:${WEFT_SANITIZE}>>:WEFT_CHECK_RANKS>)

# Where switches order nothing (src/arch/sanitizer.h) plain accesses of the library are not looked at.
if(WEFT_SANITIZE STREQUAL "races")
  target_compile_definitions(weft_internal INTERFACE WEFT_RACES)
  set(WEFT_UNSEEN -mllvm -tsan-instrument-memory-accesses=0 -mllvm -tsan-instrument-memintrinsics=0)
  list(JOIN WEFT_UNSEEN " " WEFT_UNSEEN)
endif()

# weft_sources(a.cc ...): adds sources of the current directory to the library.
function(weft_sources)
  list(TRANSFORM ARGV PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  target_sources(weft PRIVATE ${ARGV})
endfunction()

# weft_find_gtest: Debian's GoogleTest, compiled here when it is not there for the target's CPU.
macro(weft_find_gtest)
  if(CMAKE_CROSSCOMPILING)
    add_subdirectory(/usr/src/googletest ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
  else()
    find_package(GTest REQUIRED)
  endif()
  if(WEFT_SANITIZE) # elsewhere optimising takes the time, and g++ 12 warns of what is in the headers
    weft_test_headers(weft_test_headers)
    weft_test_headers(weft_inner_test_headers weft_internal)
  endif()
endmacro()

# weft_test_headers(NAME [LIBS ...]): what every test includes, compiled once for all of them.
function(weft_test_headers name)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/${name}.cc)
  weft_test_options(${name} ${ARGN})
  # As an executable's code is, which the tests are.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIE)
  target_precompile_headers(
    ${name} PRIVATE <gmock/gmock.h> <gtest/gtest.h> <array> <atomic> <chrono> <functional> <memory>
    <mutex> <string> <thread> <vector>)
endfunction()

# weft_test_options(NAME [LIBS ...]): what a test is compiled with. The flags of precompiled headers are
# ccache's wishes.
function(weft_test_options name)
  target_link_libraries(
    ${name} PRIVATE weft::weft weft_flags ${ARGN} GTest::gmock GTest::gtest GTest::gtest_main)
  if(WEFT_SANITIZE) # optimising test code for a sanitizer takes longer than running it
    target_compile_options(
      ${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0> "$<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>"
                      "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")
  endif()
endfunction()

# weft_test(NAME a_test.cc ... [LIBS ...]): one GoogleTest binary, one entry for ctest. Under src/
# and tests/ it sees the library's internals; elsewhere only what an installed weft offers.
function(weft_test name)
  if(NOT WEFT_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBS")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  file(RELATIVE_PATH where ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(where MATCHES "^(src|tests)(/|$)")
    weft_test_options(${name} weft_internal ${arg_LIBS})
    set(headers weft_inner_test_headers)
  else()
    weft_test_options(${name} ${arg_LIBS})
    set(headers weft_test_headers)
  endif()
  if(WEFT_SANITIZE)
    target_precompile_headers(${name} REUSE_FROM ${headers})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  set_property(GLOBAL APPEND PROPERTY WEFT_TEST_NAMES ${name})
endfunction()

# weft_write_test_list: tests.txt in the build directory, a line "name path" per test binary; ./dev
# reads it.
function(weft_write_test_list)
  get_property(names GLOBAL PROPERTY WEFT_TEST_NAMES)
  set(lines "")
  foreach(name IN LISTS names)
    string(APPEND lines "${name} $<TARGET_FILE:${name}>\n")
  endforeach()
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/tests.txt CONTENT "${lines}")
endfunction()
