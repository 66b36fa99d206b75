"""What threads called and got, and whether any order of atomic operations explains it."""
