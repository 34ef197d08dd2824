# frozen_string_literal: true

# The one call in a Ruby program with threads: drop.rb USER GROUP CAPS, where "-" stands for nil.
require_relative "ec_security"

$stdout.sync = true
user, group, caps = ARGV.map { |word| word unless word == "-" }
3.times { Thread.new { sleep } }
puts "ready"
$stdin.gets
begin
  ECSecurity.apply(user, group, caps)
  puts "dropped"
  refused = false
rescue ECSecurity::Error => e
  puts "refused: #{e.kind}: #{e.message}"
  refused = true
end
$stdin.gets
exit !refused
