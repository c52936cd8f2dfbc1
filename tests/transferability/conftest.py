"""What tests of several processes need."""

from tests.test_distributed import processes as processes
